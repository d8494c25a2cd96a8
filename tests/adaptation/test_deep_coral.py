import math

import pytest
import torch
from steps import make_step

from capsight.adaptation.deep_coral import DeepCoral


def published(source, target):
    """Entry by entry of the covariances."""
    width, total = source.shape[1], 0.0
    for i in range(width):
        for j in range(width):
            c_s, c_t = (torch.cov(torch.stack([rows[:, i], rows[:, j]]))[0, 1] for rows in (source, target))
            total = total + (c_s - c_t) ** 2
    return total / (4 * width**2)


def test_loss_and_gradient_are_the_papers():
    step = make_step(n_source=7)
    expected = 2.5 * published(step.embedding[:7], step.embedding[7:])
    got = DeepCoral(weight=2.5).loss(step)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-6)
    gradients = [torch.autograd.grad(loss, step.embedding)[0] for loss in (got, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


def test_frames_of_both_capsules_in_any_order():
    step, order = make_step(), torch.randperm(9)
    mixed = make_step(embedding=step.embedding[order], target=step.target[order])
    torch.testing.assert_close(DeepCoral().loss(mixed), DeepCoral().loss(step), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weight", [-1.0, math.nan])
def test_bad_weight(weight):
    with pytest.raises(ValueError, match=f"weight={weight}"):
        DeepCoral(weight=weight)
