import pytest
import torch
from torch import nn

from capsight.nn.alexnet import AlexNet
from capsight.nn.lenet import LeNet5
from capsight.nn.receptive_field import footprint, receptive_field
from capsight.nn.vgg import VGG16

CHAINS = {
    "one 5 x 5": [nn.Conv2d(1, 4, 5)],
    "two 3 x 3 see 5 x 5": [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)],
    "pooled": [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.AvgPool2d(2)],
    "padded": [nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.MaxPool2d(3, 2, padding=1), nn.Conv2d(4, 4, 3, padding=1)],
    "dilated": [nn.Conv2d(1, 4, 3, dilation=3), nn.MaxPool2d(2, dilation=2)],
    "LeNet-5": list(LeNet5().children())[:4],
}


@pytest.mark.parametrize("name", CHAINS)
def test_equals_the_measured_footprint(name):
    torch.manual_seed(0)
    network = nn.Sequential(*CHAINS[name])
    field = receptive_field(network)
    seen = footprint(network, (1, 48, 48)) > 0
    unit = network(torch.zeros(1, 1, 48, 48)).shape[-1] // 2
    first = field.start + unit * field.step
    for direction in (0, 1):
        touched = seen.any(dim=direction).nonzero().ravel()
        assert (int(touched[0]), int(touched[-1])) == (first, first + field.size - 1)


def test_known_fields():
    assert receptive_field(CHAINS["two 3 x 3 see 5 x 5"]).size == receptive_field([nn.Conv2d(1, 1, 5)]).size == 5
    assert receptive_field(LeNet5().c1) == (5, 1, 0)
    with torch.device("meta"):
        assert receptive_field(VGG16().features)[:2] == (212, 32)
        assert receptive_field(list(AlexNet().children())[:10])[:2] == (195, 32)


def test_what_sees_all_is_refused():
    with pytest.raises(TypeError, match="Linear sees all"):
        receptive_field([nn.Linear(3, 3)])
