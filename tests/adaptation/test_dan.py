import math

import pytest
import torch
from steps import make_step

from capsight.adaptation.dan import Dan


def published(source, target):
    """Squared MMD from all distances between two frames, with five kernels around their median."""
    rows, n = torch.cat([source, target]), len(source) + len(target)
    squares = (rows[:, None] - rows).square().sum(dim=2)
    median = torch.stack([squares[i, j] for i in range(n) for j in range(i)]).detach().median()
    kernel = sum((-squares / (u * median)).exp() for u in (0.25, 0.5, 1, 2, 4)) / 5
    s, t = range(len(source)), range(len(source), n)

    def mean(pairs):
        return torch.stack([kernel[i, j] for i, j in pairs]).mean()

    within = sum(mean([(i, j) for i in side for j in side if i != j]) for side in (s, t))
    return within - 2 * mean([(i, j) for i in s for j in t])


def test_loss_and_gradient_are_the_papers():
    step = make_step()
    expected = 2.5 * published(step.embedding[:5], step.embedding[5:])
    got = Dan(weight=2.5).loss(step)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(loss, step.embedding)[0] for loss in (got, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)


def test_frames_of_both_capsules_in_any_order():
    step, order = make_step(), torch.randperm(9)
    mixed = make_step(embedding=step.embedding[order], target=step.target[order])
    torch.testing.assert_close(Dan().loss(mixed), Dan().loss(step), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weight", [-1.0, math.nan])
def test_bad_weight(weight):
    with pytest.raises(ValueError, match=f"weight={weight}"):
        Dan(weight=weight)
