import pytest
import torch

from capsight.nn.mlp import MLP


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def test_the_lectures_numbers():
    assert parameters(MLP((8, 9, 9, 9, 4), bias=False)) == 8 * 9 + 9 * 9 + 9 * 9 + 9 * 4 == 270
    assert parameters(MLP(bias=False)) == 270
    assert parameters(MLP((256 * 256 * 3, 256, 1), bias=False)) == 256 * 256 * 3 * 256 + 256 > 48e6
    assert parameters(MLP((8, 9, 9, 9, 4))) == 270 + 9 + 9 + 9 + 4


def test_equals_the_equations():
    network = MLP((6, 5, 3))
    x = torch.randn(4, 2, 3)
    (w1, b1, w2, b2) = network.parameters()
    expected = (x.flatten(1) @ w1.T + b1).clamp(min=0) @ w2.T + b2
    torch.testing.assert_close(network(x), expected)


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0)])
def test_no_layer_is_refused(sizes):
    with pytest.raises(ValueError, match="sizes"):
        MLP(sizes)
