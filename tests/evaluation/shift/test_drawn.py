"""Means, differences and ratios of resampled statistics, the variance of drawn seeds, and the coverage of both."""

import numpy as np
import pytest

from capsight.evaluation.bootstrap import draw_patients
from capsight.evaluation.shift.drawn import Drawn, absent, draw_seeds, mean


def test_differences_and_ratios_are_taken_draw_by_draw():
    one, other = Drawn(np.array([3.0, 4, 5])), Drawn(np.array([1.0, 2, 2.5]), "few")
    assert (one - other).values.tolist() == [2, 2, 2.5]
    assert one.over(other).values.tolist() == [3, 2, 2]
    assert one.over(other).reason == (one - other).reason == "few"


def test_means_are_weighted_draw_by_draw():
    parts = [Drawn(np.array([1.0, 2])), Drawn(np.array([3.0, 6]))]
    assert mean(parts).values.tolist() == [2, 4]
    assert mean(parts, np.array([[0.5, 0.5], [1, 0]])).values.tolist() == [2, 2]
    assert mean([*parts, absent(1, "no labels")]).interval() == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "no labels",
    }


@pytest.mark.parametrize("n", [2, 3, 5])
def test_drawn_seeds_have_the_variance_of_their_mean(n):
    values = np.random.default_rng(0).normal(size=n)
    weights = draw_seeds(n, 40_000, seed=1)
    assert weights[0].tolist() == [1 / n] * n
    assert weights.sum(axis=1) == pytest.approx(1)
    means = weights[1:] @ values
    assert means.mean() == pytest.approx(values.mean(), abs=0.02)
    assert means.var() == pytest.approx(values.var(ddof=1) / n, rel=0.05)


def test_one_seed_is_not_drawn():
    assert (draw_seeds(1, 10, seed=0) == 1).all()


def test_intervals_over_patients_and_seeds_cover_the_truth_and_those_over_patients_alone_do_not():
    """Three trainings move the mean nearly as much as 30 patients do."""
    rng = np.random.default_rng(0)
    patients = draw_patients(np.repeat(np.arange(30), 1), 300, seed=1)
    shares = patients.weights / patients.weights.sum(axis=1, keepdims=True)
    seeds = draw_seeds(3, 300, seed=2)
    covered = {"both": 0, "patients": 0}
    for _ in range(300):
        effect = rng.normal(size=30) + 0.2 * rng.normal(size=(3, 1)) + 0.3 * rng.normal(size=(3, 30))
        parts = [Drawn(shares @ one) for one in effect]
        for name, drawn in (("both", mean(parts, seeds)), ("patients", mean(parts))):
            told = drawn.interval()
            covered[name] += told["low"] <= 0 <= told["high"]
    assert 0.86 <= covered["both"] / 300 <= 0.98
    assert covered["patients"] / 300 < covered["both"] / 300 - 0.04
