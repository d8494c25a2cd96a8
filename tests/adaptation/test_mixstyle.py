import copy
import pickle

import pytest
import torch
from torch import nn
from toy_frames import draw_frames
from toy_training import tiny_network

from capsight.adaptation.mixstyle import MixStyle, mix
from capsight.inference.passes import mc_dropout

EARLY = ["stem", "layer1"]  # the toy's network has one block more, whose means are the embedding


def test_equals_the_formula_frame_by_frame():
    features, share = torch.randn(5, 4, 6, 7) + 3, torch.rand(5, 1, 1, 1)
    partner = torch.tensor([2, 0, 1, 3, 3])
    expected = torch.empty_like(features)
    for i, j in enumerate(partner):
        for c in range(4):
            own, other, s = features[i, c], features[j, c], share[i, 0, 0, 0]
            scale, shift = s * own.std() + (1 - s) * other.std(), s * own.mean() + (1 - s) * other.mean()
            expected[i, c] = scale * (own - own.mean()) / own.std() + shift
    torch.testing.assert_close(mix(features, share, partner), expected, rtol=1e-4, atol=1e-4)


def test_no_gradient_through_the_statistics():
    features = torch.randn(3, 2, 4, 4, requires_grad=True)
    partner, share = torch.tensor([1, 2, 0]), torch.full((3, 1, 1, 1), 0.3)
    mix(features, share, partner).sum().backward()
    scale = 0.3 + 0.7 * features.std(dim=(2, 3))[partner] / features.std(dim=(2, 3))
    torch.testing.assert_close(features.grad, scale[..., None, None].expand(3, 2, 4, 4), rtol=1e-3, atol=1e-3)


def both(**settings):
    """Return a network and the method on it, in training and always mixing."""
    network, method = tiny_network(dropout=0.0), MixStyle(**{"p": 1.0, "alpha": 1.0, "layers": EARLY, **settings})
    method.prepare(network, "multilabel")
    return network.train(), method.train()


def differs(network, twin):
    images = draw_frames(8, seed=0).images
    return not torch.allclose(network.embed(images), twin.embed(images), atol=1e-4)


def test_mixes_in_training_only():
    network, method = both()
    plain = tiny_network(dropout=0.0).train()
    plain.load_state_dict(network.state_dict())  # no parameter, buffer or module more
    assert differs(network, plain)
    method.eval()
    assert not differs(network, plain)  # as where the dropout of a finished network is sampled
    plain.load_state_dict(network.state_dict())  # batch statistics have followed what was mixed
    plain.load_state_dict(network.state_dict())  # mixed features have left other running statistics
    method.train(), network.eval(), plain.eval()
    assert not differs(network, plain)


def test_sampled_dropout_does_not_mix():
    network, method = both()
    method.eval()
    network.head.dropout.p = 0.5
    images = draw_frames(8, seed=0).images
    deep = mc_dropout(network, images, passes=3, deep=True, seed=0)
    assert deep.shape == (3, 8, 2) and network.training


def test_p_is_the_chance_of_a_batch():
    network, method = both(p=0.25, layers=["stem"])
    images, stem = torch.rand(4, 3, 8, 8), network.eval().backbone.trunk.stem
    plain = stem(images)
    stem.training = True  # the block mixes; what is in it is in evaluation
    mixed = sum(bool((stem(images) != plain).any()) for _ in range(400))
    assert 60 < mixed < 140  # 4.6 standard deviations


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_copies_mix_by_themselves(copied):
    pair = nn.ModuleList(both())
    network, method = copied(pair)
    pair.eval()
    plain = copy.deepcopy(pair[0]).train()
    assert differs(network, plain)
    method.eval()
    assert not differs(network, plain)


def test_bfloat16_and_channels_last():
    features = (torch.randn(4, 8, 6, 6) + 2).contiguous(memory_format=torch.channels_last)
    share, partner = torch.rand(4, 1, 1, 1), torch.tensor([1, 2, 3, 0])
    expected = mix(features, share, partner)
    assert expected.is_contiguous(memory_format=torch.channels_last)
    half = mix(features.bfloat16(), share, partner)
    assert half.dtype == torch.bfloat16 and half.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(half.float(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("n", [1, 2])
def test_small_batches(n):
    network, _ = both()
    assert network.embed(torch.rand(n, 3, 16, 16)).isfinite().all()


@pytest.mark.parametrize(("settings", "text"), [({"p": 1.5}, "p=1.5"), ({"alpha": 0}, "alpha=0")])
def test_bad_settings(settings, text):
    with pytest.raises(ValueError, match=text):
        MixStyle(**settings)


def test_bad_layers():
    with pytest.raises(ValueError, match="no layer 'layer9'; choose some of pixels, stem"):
        both(layers=["layer9"])
