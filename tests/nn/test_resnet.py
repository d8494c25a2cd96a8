import pytest
import torch
import torchvision
from torch import nn

from capsight.nn.resnet import PlainNet34, ResNet34
from capsight.nn.summary import summary


def described(network):
    with torch.device("meta"):
        return summary(network(), (3, 224, 224))


def test_the_papers_parameters():
    assert described(ResNet34).parameters == 21_797_672


@torch.no_grad()
def test_answers_are_torchvisions():
    torch.manual_seed(0)
    theirs, mine = torchvision.models.resnet34(num_classes=5), ResNet34(classes=5)
    images = torch.randn(2, 3, 64, 64)
    theirs(images)  # moves the running means off 0
    for own, other in zip(mine.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert own.shape == other.shape
        own.copy_(other)
    torch.testing.assert_close(mine.eval()(images), theirs.eval()(images), rtol=1e-4, atol=1e-4)


def test_plain_and_residual_differ_by_the_shortcuts_alone():
    plain, residual = (described(network) for network in (PlainNet34, ResNet34))
    projections = [layer for layer in residual.layers if "shortcut" in layer.name]
    assert residual.parameters - plain.parameters == sum(layer.parameters for layer in projections)
    layers = [layer for layer in plain.layers if layer.multiply_adds]
    assert len(layers) == 34
    assert plain.multiply_adds == pytest.approx(3.6e9, rel=0.02)  # figure 3 of the paper


@pytest.mark.parametrize("network", [PlainNet34, ResNet34])
def test_without_normalisation_there_is_none(network):
    modules = network(width=4, normalise=False).modules()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in modules)


def test_a_block_without_change_passes_what_it_gets():
    network = ResNet34(width=4, classes=2).eval()
    block = network.stages[1]
    nn.init.zeros_(block.second[1].weight)
    maps = torch.rand(1, 4, 8, 8)
    assert torch.equal(block(maps), maps)
    plain = PlainNet34(width=4, classes=2).eval().stages[1]
    nn.init.zeros_(plain.second[1].weight)
    assert not plain(maps).any()
