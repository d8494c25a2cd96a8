import pytest
import torch

from capsight.nn.alexnet import AlexNet
from capsight.nn.summary import neurons, summary


def test_the_papers_numbers():
    with torch.device("meta"):
        network = AlexNet()
    told = summary(network, (3, 227, 227))
    assert told.parameters == 60_965_224  # "60 million"
    assert told.layers[0] == ("conv1.0", (96, 55, 55), 96 * 3 * 11 * 11 + 96, 55 * 55 * 96 * 3 * 11 * 11)
    # By layer, without pooled and normalised values; the paper's "650,000 neurons" are these.
    layers = 290_400 + 186_624 + 64_896 + 64_896 + 43_264 + 4096 + 4096 + 1000
    assert neurons(network, (3, 227, 227)) == layers == 659_272


def test_groups_see_their_own_half():
    network = AlexNet(image_size=67)
    maps = torch.zeros(1, 96, 7, 7)
    nothing = network.conv2(maps)
    maps[:, :48] = 1
    changed = (network.conv2(maps) != nothing).flatten(2).any(dim=2)[0]
    assert changed[:128].any() and not changed[128:].any()


def test_responses_are_normalised_as_in_the_paper():
    maps = torch.rand(1, 9, 2, 2)
    expected = torch.empty_like(maps)
    for i in range(9):
        neighbours = maps[:, max(0, i - 2) : i + 3].square().sum(dim=1)
        expected[:, i] = maps[:, i] / (2 + 1e-4 * neighbours) ** 0.75
    torch.testing.assert_close(AlexNet(image_size=67).norm1(maps), expected)


def test_in_small():
    assert AlexNet(image_size=67, classes=3)(torch.zeros(2, 3, 67, 67)).shape == (2, 3)
    with pytest.raises(ValueError, match="67"):
        AlexNet(image_size=66)
