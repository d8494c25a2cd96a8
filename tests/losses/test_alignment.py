import math

import numpy as np
import pytest
import torch

from capsight.losses import coral_loss, domain_loss, mmd_loss


def draw(n=9, m=6, width=4, dtype=torch.float64):
    random = torch.Generator().manual_seed(0)
    source = torch.randn(n, width, generator=random, dtype=dtype)
    target = 0.5 + 1.5 * torch.randn(m, width, generator=random, dtype=dtype)
    return source.requires_grad_(), target.requires_grad_()


def naive_mmd(source, target):
    """Pair by pair."""
    rows = [*source, *target]
    squares = sorted(((x - y) ** 2).sum() for i, x in enumerate(rows) for y in rows[i + 1 :])
    median = squares[(len(squares) - 1) // 2]

    def kernel(x, y):
        return np.mean([math.exp(-((x - y) ** 2).sum() / (u * median)) for u in (0.25, 0.5, 1, 2, 4)])

    def within(frames):
        return np.mean([kernel(x, y) for i, x in enumerate(frames) for j, y in enumerate(frames) if i != j])

    return within(source) + within(target) - 2 * np.mean([kernel(x, y) for x in source for y in target])


def test_coral_is_the_published_formula():
    source, target = draw()
    difference = np.cov(source.detach().numpy().T) - np.cov(target.detach().numpy().T)
    expected = np.linalg.norm(difference, "fro") ** 2 / (4 * 4**2)
    assert coral_loss(source, target).item() == pytest.approx(expected)


def test_coral_of_two_variances_by_hand():
    # Variances 2 and 8 of the one dimension: (8 - 2)² / 4.
    assert coral_loss(torch.tensor([[-1.0], [1.0]]), torch.tensor([[7.0], [11.0]])) == 9


def test_coral_does_not_see_means():
    source, target = draw()
    torch.testing.assert_close(coral_loss(source + 7, target), coral_loss(source, target))
    assert coral_loss(source, source - 3).item() == pytest.approx(0, abs=1e-20)


def test_mmd_equals_the_sum_over_pairs():
    source, target = draw()
    expected = naive_mmd(source.detach().numpy(), target.detach().numpy())
    assert mmd_loss(source, target).item() == pytest.approx(expected)


def test_mmd_is_zero_on_average_between_equals_only():
    random = torch.Generator().manual_seed(0)
    pairs = torch.randn(300, 2, 10, 3, generator=random)
    equal = torch.stack([mmd_loss(*pair) for pair in pairs])
    assert abs(equal.mean()) < 4 * equal.std() / math.sqrt(len(equal))
    assert equal.min() < 0
    shifted = torch.stack([mmd_loss(source, target + 1) for source, target in pairs])
    assert shifted.mean() > 3 * equal.std()


def test_mmd_does_not_know_units():
    source, target = draw()
    torch.testing.assert_close(mmd_loss(100 * source, 100 * target), mmd_loss(source, target))


def test_mmd_of_collapsed_embeddings():
    source, target = torch.ones(4, 3, requires_grad=True), torch.ones(5, 3, requires_grad=True)
    loss = mmd_loss(source, target)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert source.grad.isfinite().all()


def test_domain_loss_weighs_domains_alike():
    logits = torch.tensor([0.3, -1.0, 2.0, 0.5, -0.2])
    target = torch.tensor([False, False, False, True, True])
    source = np.mean([math.log1p(math.exp(z)) for z in (0.3, -1.0, 2.0)])
    of_target = np.mean([math.log1p(math.exp(-z)) for z in (0.5, -0.2)])
    assert domain_loss(logits, target).item() == pytest.approx((source + of_target) / 2)
    again = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 3, 4])  # a source three times as large
    torch.testing.assert_close(domain_loss(logits[again], target[again]), domain_loss(logits, target))


def test_a_weight_of_two_is_a_frame_that_comes_twice():
    logits, target = torch.tensor([0.3, -1.0, 0.5, -0.2]), torch.tensor([False, False, True, True])
    twice = torch.tensor([0, 0, 1, 2, 3, 3])
    weighted = domain_loss(logits, target, weights=torch.tensor([2.0, 1.0, 1.0, 2.0]))
    torch.testing.assert_close(weighted, domain_loss(logits[twice], target[twice]))


@pytest.mark.parametrize("loss", [coral_loss, mmd_loss])
@pytest.mark.parametrize(("n", "m"), [(0, 0), (5, 0), (0, 5), (1, 5), (5, 1)])
def test_too_few_frames_cost_nothing_and_keep_the_graph(loss, n, m):
    source, target = torch.randn(n, 3, requires_grad=True), torch.randn(m, 3, requires_grad=True)
    value = loss(source, target)
    value.backward()
    assert value == 0
    assert not source.grad.any() and not target.grad.any()


@pytest.mark.parametrize("of_target", [0, 1, 5, 6])
def test_domain_loss_of_too_few_frames(of_target):
    logits = torch.randn(6, requires_grad=True)
    value = domain_loss(logits, torch.arange(6) < of_target)
    value.backward()
    assert value == 0
    assert not logits.grad.any()


def test_gradient_of_coral():
    assert torch.autograd.gradcheck(coral_loss, draw())


def test_gradient_of_mmd_leaves_the_median_as_it_is():
    source, target = draw()
    median = torch.pdist(torch.cat([source, target]).detach()).square().median()

    def twin():
        joined = torch.cat([source, target])
        squares = (joined[:, None] - joined).square().sum(dim=2)
        kernel = sum(torch.exp(-squares / (u * median)) for u in (0.25, 0.5, 1, 2, 4)) / 5
        return (kernel[:9, :9].sum() - 9) / 72 + (kernel[9:, 9:].sum() - 6) / 30 - 2 * kernel[:9, 9:].mean()

    expected = torch.autograd.grad(twin(), (source, target))
    torch.testing.assert_close(torch.autograd.grad(mmd_loss(source, target), (source, target)), expected)


@pytest.mark.parametrize("loss", [coral_loss, mmd_loss])
def test_half_precision_is_computed_in_float32(loss):
    source, target = (x.detach().bfloat16() for x in draw())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(source, target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(source.float(), target.float()))


@pytest.mark.parametrize("loss", [coral_loss, mmd_loss])
@pytest.mark.parametrize(("source", "target"), [((3, 2), (3, 4)), ((3,), (3,))])
def test_wrong_shapes(loss, source, target):
    with pytest.raises(ValueError, match="source"):
        loss(torch.zeros(source), torch.zeros(target))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"logits": torch.zeros(4, 1)}, "logits"),
        ({"target": torch.zeros(3, dtype=torch.bool)}, "target"),
        ({"target": torch.zeros(4)}, "bool"),
        ({"weights": torch.zeros(3)}, "weights"),
    ],
)
def test_wrong_arguments_of_the_domain_loss(change, text):
    arguments = {"logits": torch.zeros(4), "target": torch.zeros(4, dtype=torch.bool)} | change
    with pytest.raises(ValueError, match=text):
        domain_loss(arguments.pop("logits"), arguments.pop("target"), **arguments)
