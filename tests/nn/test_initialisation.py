import pytest
import torch
from torch import nn

from capsight.nn.convolution import convolution
from capsight.nn.initialisation import initialise


@pytest.mark.parametrize(
    ("scheme", "std"), [("he", (2 / 576) ** 0.5), ("glorot", (2 / 1728) ** 0.5), ("gaussian", 0.01)]
)
def test_standard_deviations(scheme, std):
    torch.manual_seed(0)
    network = initialise(nn.Sequential(convolution(64, 128, 3), nn.BatchNorm2d(128)), scheme)
    weight = network[0][0].weight
    assert weight.std().item() == pytest.approx(std, rel=0.02)
    assert abs(weight.mean().item()) < 0.001
    assert not network[0][0].bias.any()
    assert network[1].weight.eq(1).all()


def test_he_keeps_the_signal_through_relus_and_glorot_does_not():
    torch.manual_seed(0)
    deep = nn.Sequential(*(layer for _ in range(20) for layer in (nn.Linear(256, 256), nn.ReLU())))
    x = torch.randn(64, 256)
    sizes = {scheme: initialise(deep, scheme)(x).std().item() for scheme in ("he", "glorot", "gaussian")}
    assert 0.2 < sizes["he"] < 5
    assert sizes["glorot"] < 0.01
    assert sizes["gaussian"] < 1e-10


def test_an_unknown_scheme_is_named():
    with pytest.raises(ValueError, match="'best'; choose he, glorot, gaussian"):
        initialise(nn.Linear(2, 2), "best")
