"""Distances between devices against plain formulas, and against what they must be where nothing differs."""

import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm
from scipy.spatial.distance import pdist

from capsight.evaluation.shift.distance import Embedded, frechet, measure_distances, mmd, proxy_a_distance

RNG = np.random.default_rng(0)
MIX = RNG.normal(size=(4, 4))
ONE, OTHER = RNG.normal(size=(60, 4)) @ MIX, RNG.normal(size=(50, 4)) + 1


def embedded(points, frames=5):
    return Embedded(points, pd.Series([f"p{i // frames}" for i in range(len(points))]))


def test_frechet_is_that_of_the_covariances():
    one, other = np.cov(ONE.T), np.cov(OTHER.T)
    expected = ((ONE.mean(0) - OTHER.mean(0)) ** 2).sum() + np.trace(one + other - 2 * sqrtm(one @ other).real)
    assert frechet(ONE, OTHER) == pytest.approx(expected / np.trace(one))
    assert frechet(ONE, ONE) == pytest.approx(0, abs=1e-9)
    assert frechet(7 * ONE + 3, 7 * OTHER + 3) == pytest.approx(frechet(ONE, OTHER))  # the scale is that of the source


def test_frechet_holds_with_fewer_frames_than_dimensions():
    few = np.pad(ONE[:6], ((0, 0), (0, 40)))
    others = np.pad(OTHER[:6], ((0, 0), (0, 40)))
    assert frechet(few, others) == pytest.approx(frechet(ONE[:6], OTHER[:6]))


def test_frechet_between_samples_of_one_device_grows_with_the_dimensions():
    """The bias that the halves are there to show."""
    low, high = (frechet(RNG.normal(size=(40, d)), RNG.normal(size=(40, d))) for d in (2, 200))
    assert high > low > 0


def test_mmd_is_that_of_a_loop():
    both = np.concatenate([ONE, OTHER])
    width = np.median(pdist(both))

    def kernel(a, b):
        return np.exp(-((a - b) ** 2).sum() / (2 * width**2))

    own = np.mean([kernel(a, b) for i, a in enumerate(ONE) for j, b in enumerate(ONE) if i != j])
    others = np.mean([kernel(a, b) for i, a in enumerate(OTHER) for j, b in enumerate(OTHER) if i != j])
    cross = np.mean([kernel(a, b) for a in ONE for b in OTHER])
    assert mmd(ONE, OTHER) == pytest.approx(own + others - 2 * cross)


def test_mmd_is_unbiased():
    values = [mmd(RNG.normal(size=(30, 3)), RNG.normal(size=(30, 3))) for _ in range(300)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(300)


def test_proxy_a_distance_goes_from_0_to_2():
    far = proxy_a_distance(embedded(ONE), embedded(OTHER + 50), resamples=20, seed=0)
    near = proxy_a_distance(
        embedded(RNG.normal(size=(200, 3))), embedded(RNG.normal(size=(200, 3))), resamples=20, seed=0
    )
    assert far.value == 2
    assert abs(near.value) < 0.5


def test_another_device_is_further_than_two_halves_of_one():
    points = RNG.normal(size=(200, 8))
    found = measure_distances(embedded(points), embedded(points[:90] * 1.5 + 2), resamples=20, seed=0)
    assert (found["n_source"], found["n_target"]) == (90, 90)
    for name in ("proxy_a_distance", "mmd", "frechet"):
        assert found[name]["value"] > found["halves"][name]["value"]
    assert found["mmd"]["low"] is None and "two halves" in found["mmd"]["reason"]


def test_says_what_cannot_be_measured():
    lost = ONE.copy()
    lost[0] = np.nan
    told = {
        "NaN embeddings": measure_distances(embedded(lost), embedded(OTHER), resamples=5, seed=0),
        "fewer than two frames": measure_distances(embedded(ONE), embedded(OTHER[:1]), resamples=5, seed=0),
        "all frames of the source have the same embedding": measure_distances(
            embedded(ONE * 0), embedded(OTHER), resamples=5, seed=0
        ),
    }
    for reason, found in told.items():
        assert found["mmd"]["value"] is None and found["mmd"]["reason"] == reason
