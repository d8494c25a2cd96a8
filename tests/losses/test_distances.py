import pytest
import torch
import torch.nn.functional as F

from capsight.losses import pairwise_distances


def plain_distances(rows, squared):
    squares = (rows[:, None] - rows[None]).square().sum(-1)
    return squares if squared else squares.clamp(min=1e-30).sqrt()


@pytest.mark.parametrize("squared", [False, True])
def test_distances_of_near_and_equal_rows(squared):
    random = torch.Generator().manual_seed(0)
    base = 3 + F.normalize(torch.randn(300, 256, generator=random))
    near = base + 1e-4 * torch.randn(300, 256, generator=random)
    rows = torch.cat([base, base, near])
    distances = pairwise_distances(rows, squared=squared)
    exact = plain_distances(rows.double()[::7], squared).float()
    exact[exact < 1e-14] = 0
    torch.testing.assert_close(distances[::7, ::7], exact, rtol=1e-5, atol=0)
    assert not distances.diagonal(300)[:300].any()
    assert not distances.diagonal().any()


@pytest.mark.parametrize("squared", [False, True])
def test_gradient_is_that_of_the_plain_distances(squared, monkeypatch):
    monkeypatch.setattr("capsight.losses.distances.ROWS", 4)  # several blocks
    random = torch.Generator().manual_seed(0)
    rows = torch.randn(11, 3, generator=random, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(11, 11, generator=random, dtype=torch.float64)  # not symmetric: (i, j) and (j, i) both count
    ours, twin = (
        torch.autograd.grad((weights * distances).sum(), rows)
        for distances in (pairwise_distances(rows, squared=squared), plain_distances(rows, squared))
    )
    torch.testing.assert_close(ours, twin)


def test_equal_rows_pull_nothing():
    rows = torch.ones(3, 2, requires_grad=True)
    pairwise_distances(rows).sum().backward()
    assert not rows.grad.any()
