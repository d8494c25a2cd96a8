"""Views of any network: what is shown is what the layer computed, and the network is left as it was."""

import pytest
import timm
import torch
from torch import nn
from torchvision.models import alexnet, vit_b_16

from capsight.errors import UserError
from capsight.explain.views import feature_maps, first_filters, stages, tokens_as_grid

IMAGE = torch.rand(1, 3, 64, 64)


def stack():
    """A small network as a beginner writes it, with in-place layers."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(8, 4, 3, padding=1)
    )


class Odd(nn.Module):
    """Layers with outputs of all kinds."""

    def __init__(self):
        super().__init__()
        self.conv, self.pair, self.flat, self.unused = nn.Conv2d(3, 4, 3), Pair(), nn.Flatten(), nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.flat(self.pair(self.conv(x))[0])


class Pair(nn.Module):
    def forward(self, x):
        return x, {"more": x}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("resnet18", (64, 3, 7, 7)),
        ("efficientnet_b0", (32, 3, 3, 3)),
        ("vit_tiny_patch16_224", (192, 3, 16, 16)),
        ("convnext_atto", (40, 3, 4, 4)),
    ],
)
def test_first_filters_are_the_first_layers(name, shape):
    network = timm.create_model(name)
    filters = first_filters(network)
    assert filters.shape == shape
    filters.zero_()  # a copy: the network keeps its own
    assert first_filters(network).any()


def test_a_network_without_convolution_has_no_filters():
    with pytest.raises(UserError, match="Sequential has no convolution"):
        first_filters(nn.Sequential(nn.Linear(3, 3)))


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "convnext_atto", "swin_tiny_patch4_window7_224"])
def test_stages_of_timm_networks_shrink_to_the_last_features(name):
    size = {"img_size": 64} if name.startswith(("vit", "swin")) else {}
    network = timm.create_model(name, num_classes=0, **size).eval()
    maps = feature_maps(network, IMAGE, maximum=10_000)
    assert list(maps) == stages(network)
    sides = [values.shape[1] for values in maps.values()]
    assert sides == sorted(sides, reverse=True)
    assert all(values.ndim == 3 and values.shape[1] == values.shape[2] for values in maps.values())
    assert list(maps.values())[-1].shape[0] == network.num_features


def test_a_wrapped_network_has_the_same_stages_with_its_prefix():
    trunk = timm.create_model("resnet18")
    assert stages(nn.ModuleDict({"trunk": trunk})) == [f"trunk.{name}" for name in stages(trunk)]


def test_other_networks_show_every_convolution():
    network = alexnet()
    assert stages(network) == [f"features.{i}" for i in (0, 3, 6, 8, 10)]
    maps = feature_maps(network, torch.rand(1, 3, 224, 224), maximum=5)
    assert [tuple(values.shape) for values in maps.values()] == [(5, n, n) for n in (55, 27, 13, 13, 13)]


def test_maps_are_what_the_layer_computed_whatever_is_done_in_place_later():
    network = stack()
    maps = feature_maps(network, IMAGE, ["0", "3"], maximum=8, choose="first")
    torch.testing.assert_close(maps["0"], network[0](IMAGE)[0].detach())
    assert (maps["0"] < 0).any()  # the in-place ReLU after it has not touched the copy
    torch.testing.assert_close(maps["3"], network(IMAGE)[0].detach())


def test_the_strongest_come_first():
    network = stack()
    every = feature_maps(network, IMAGE, ["0"], choose="first")["0"]
    strength = every.abs().mean((1, 2))
    strongest = feature_maps(network, IMAGE, ["0"], maximum=3)["0"]
    torch.testing.assert_close(strongest.abs().mean((1, 2)), strength.sort(descending=True).values[:3])


def test_tokens_are_laid_out_as_the_grid_they_come_from():
    network = timm.create_model("vit_tiny_patch16_224", img_size=(32, 64)).eval()
    captured = []
    network.blocks[0].register_forward_hook(lambda module, inputs, output: captured.append(output))
    maps = feature_maps(network, torch.rand(1, 3, 32, 64), ["blocks.0"], maximum=192, choose="first")["blocks.0"]
    assert maps.shape == (192, 2, 4)
    torch.testing.assert_close(maps[:, 1, 2], captured[0][0, 1 + 1 * 4 + 2])  # one class token, second line, third


def test_a_class_token_that_the_network_does_not_tell_of_is_left_out():
    network = vit_b_16(image_size=64)
    assert feature_maps(network, IMAGE, ["encoder.ln"])["encoder.ln"].shape == (64, 4, 4)


def test_outputs_that_are_no_maps_are_left_out():
    assert list(feature_maps(Odd(), IMAGE, ["flat", "conv", "pair", "unused"])) == ["conv"]
    with pytest.raises(UserError, match="none of these layers has a map to show: flat, pair"):
        feature_maps(Odd(), IMAGE, ["flat", "pair"])


def test_an_unknown_layer_is_answered_with_close_ones():
    with pytest.raises(UserError, match=r"ResNet has no layer 'layer5'; some that it has: layer\d, layer"):
        feature_maps(timm.create_model("resnet18"), IMAGE, ["layer5"])


def test_the_network_is_left_as_it_was_even_after_an_error():
    network = timm.create_model("resnet18").train()
    network.layer1.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    feature_maps(network, IMAGE)
    with pytest.raises(RuntimeError):
        feature_maps(network, torch.rand(1, 5, 64, 64))
    assert not any(module._forward_hooks for module in network.modules())
    assert network.training and network.layer4.training and not network.layer1.training
    assert all((value == before[name]).all() for name, value in network.state_dict().items())


def test_what_a_programmer_gets_wrong_is_a_value_error():
    with pytest.raises(ValueError, match="one image"):
        feature_maps(stack(), IMAGE.repeat(2, 1, 1, 1))
    with pytest.raises(ValueError, match="choose='weakest'"):
        feature_maps(stack(), IMAGE, choose="weakest")


@pytest.mark.parametrize(
    ("tokens", "prefix", "shape"),
    [(16, 0, (4, 4)), (17, 1, (4, 4)), (17, 0, None), (9, 5, (2, 2)), (1, 1, None), (0, None, None), (60, None, None)],
)
def test_tokens_that_fit_no_grid_are_none(tokens, prefix, shape):
    grid = tokens_as_grid(torch.rand(2, tokens, 3), (64, 64), prefix)
    assert (None if grid is None else grid.shape) == (None if shape is None else (2, 3, *shape))


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (16, 160), (112, 336)])
def test_tokens_of_frames_that_are_not_square(size):
    lines, columns = (length // 16 for length in size)
    tokens = torch.rand(1, lines * columns, 3)
    torch.testing.assert_close(tokens_as_grid(tokens, size), tokens.transpose(1, 2).reshape(1, 3, lines, columns))
