import pytest
import torch
import torchvision
from torch import nn

from capsight.nn.summary import summary
from capsight.nn.vgg import VGG16, VGG19


@pytest.mark.parametrize(
    ("ours", "peer", "parameters"),
    [(VGG16, torchvision.models.vgg16, 138_357_544), (VGG19, torchvision.models.vgg19, 143_667_240)],
)
def test_the_papers_parameters_and_torchvisions(ours, peer, parameters):
    with torch.device("meta"):
        network, other = ours(), peer(init_weights=False)
    assert summary(network, (3, 224, 224)).parameters == parameters
    assert [p.shape for p in network.parameters()] == [p.shape for p in other.parameters()]


@pytest.mark.parametrize(("ours", "peer"), [(VGG16, torchvision.models.vgg16), (VGG19, torchvision.models.vgg19)])
def test_it_sees_what_torchvisions_sees(ours, peer):
    torch.manual_seed(0)
    with torch.device("meta"):
        theirs, mine = peer(init_weights=False).features, ours().features
    theirs, mine = (features.to_empty(device="cpu") for features in (theirs, mine))
    for p, other in zip(mine.parameters(), theirs.parameters(), strict=True):
        nn.init.normal_(other, std=0.05)
        p.data.copy_(other.data)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(mine(images), theirs(images))


def test_in_small():
    network = VGG16(image_size=32, classes=3, normalise=True).eval()
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    with pytest.raises(ValueError, match="multiple of 32"):
        VGG16(image_size=40)
