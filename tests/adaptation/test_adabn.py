import copy

import pytest
import torch
from torch import nn
from toy_frames import draw_frames
from toy_training import plain_network, tiny_network

from capsight.adaptation.adabn import AdaBN, Moments


def adapted(network, images, size=50, **settings):
    network = copy.deepcopy(network)
    AdaBN(**settings).after_training(network, "multilabel", lambda: images.split(size))
    return network


@pytest.mark.parametrize("sizes", [(30,), (7, 22, 1), (1, 29)])
def test_moments_are_those_of_all_frames_at_once(sizes):
    values = 100 + torch.randn(30, 4, 3, 5, dtype=torch.float64) * torch.tensor([1, 2, 3, 4]).view(4, 1, 1)
    moments = Moments()
    for part in values.float().split(sizes):
        moments.add(nn.Identity(), (part,))
    rows = values.transpose(0, 1).flatten(1)
    torch.testing.assert_close(moments.mean, rows.mean(dim=1), rtol=1e-6, atol=0)
    torch.testing.assert_close(moments.squares / moments.n, rows.var(dim=1, correction=0), rtol=1e-4, atol=0)


def test_a_layer_afterwards_gives_its_target_frames_mean_0_and_variance_1():
    network, images = tiny_network(), draw_frames(60, seed=0).images
    network = adapted(network, images, size=60)
    outputs = []
    for block in (network.backbone.trunk.stem, network.backbone.trunk.layer1, network.backbone.trunk.layer2):
        block[1].register_forward_hook(lambda layer, inputs, output: outputs.append(output))
    network.eval().embed(images)
    for output in outputs:
        torch.testing.assert_close(output.mean(dim=(0, 2, 3)), torch.zeros(output.shape[1]), rtol=0, atol=1e-4)
        torch.testing.assert_close(output.var(dim=(0, 2, 3)), torch.ones(output.shape[1]), rtol=0, atol=0.02)


def test_share_mixes_with_the_source():
    network, images = tiny_network(), draw_frames(60, seed=0).images
    all_of_it, none, some = (adapted(network, images, share=share) for share in (1.0, 0.0, 0.25))
    for source, zero, one, quarter in zip(*(n.buffers() for n in (network, none, all_of_it, some)), strict=True):
        torch.testing.assert_close(zero, source)
        if source.is_floating_point():
            torch.testing.assert_close(quarter, 0.75 * source + 0.25 * one)


def test_weights_modes_and_hooks_stay_as_they_were():
    network = tiny_network()
    network.backbone.trunk.layer1.eval()
    new = adapted(network, draw_frames(60, seed=0).images)
    torch.testing.assert_close(dict(new.named_parameters()), dict(network.named_parameters()), rtol=0, atol=0)
    assert [module.training for module in new.modules()] == [module.training for module in network.modules()]
    assert not any(module._forward_pre_hooks for module in new.modules())


def test_frames_in_channels_last_and_bfloat16():
    network, images = tiny_network(), draw_frames(60, seed=0).images
    plain = adapted(network, images)
    network = network.to(memory_format=torch.channels_last)
    torch.testing.assert_close(
        adapted(network, images.contiguous(memory_format=torch.channels_last)).state_dict(), plain.state_dict()
    )
    with torch.autocast("cpu", torch.bfloat16):
        half = adapted(network, images)
    assert half.backbone.trunk.stem[1].running_mean.dtype == torch.float32
    torch.testing.assert_close(half.state_dict(), plain.state_dict(), rtol=0.1, atol=0.1)


def test_bad_input():
    with pytest.raises(ValueError, match="share=2"):
        AdaBN(share=2)
    with pytest.raises(ValueError, match="no target frames"):
        AdaBN().after_training(tiny_network(), "multilabel", lambda: [])
    with pytest.raises(ValueError, match="no batch normalisation"):
        AdaBN().after_training(plain_network(), "multilabel", lambda: [])
