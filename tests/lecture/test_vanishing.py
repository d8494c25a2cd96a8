import pytest
import torch
import torch.nn.functional as F
from torch import nn

from capsight.lecture.vanishing import gradient_norms, vanishing


def test_plain_vanishes_and_residual_does_not(tmp_path, trainer):
    settings = {"width": 4, "image_size": 96, "images": 32, "batch_size": 8}
    numbers = vanishing(tmp_path, seed=0, trainer=trainer, **settings)
    bare = numbers["no normalisation, Glorot's weights"]
    assert len(bare["plain"]["before"]) == len(bare["residual"]["after"]) == 34
    assert bare["plain"]["first_to_last_before"] < 1e-4
    assert bare["residual"]["first_to_last_before"] > 0.01
    normalised = numbers["batch normalisation, He's weights"]["plain"]
    assert normalised["first_to_last_before"] > 1e3 * bare["plain"]["first_to_last_before"]
    assert (tmp_path / "vanishing.png").exists()


def test_norms_by_hand():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(5, 4), nn.ReLU(inplace=True), nn.Linear(4, 3))
    inputs, labels = torch.randn(6, 5), torch.arange(6) % 3
    first = network[0](inputs)
    logits = network[2](first.relu())
    loss = F.cross_entropy(logits, labels, reduction="sum")
    expected = [gradient.square().sum().div(6).sqrt().item() for gradient in torch.autograd.grad(loss, (first, logits))]
    assert gradient_norms(network, inputs, labels) == pytest.approx(expected, rel=1e-5)


def test_measuring_changes_nothing():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    gradient_norms(network, torch.randn(4, 1, 4, 4), torch.arange(4) % 3)
    torch.testing.assert_close(network.state_dict(), before, rtol=0, atol=0)
    assert not network.training and all(p.grad is None for p in network.parameters())
