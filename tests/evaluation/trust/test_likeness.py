"""Distances from the training frames against scikit-learn and plain loops, and how well they tell other frames."""

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

from capsight.errors import UserError
from capsight.evaluation.trust.likeness import SCORES, energy, fit_likeness, measure_likeness, score_likeness

RNG = np.random.default_rng(0)
BANK = RNG.normal(size=(80, 6)) @ RNG.normal(size=(6, 6)) + 1
POINTS = RNG.normal(size=(30, 6))
LOGITS = RNG.normal(size=(30, 3))


def test_knn_distance_is_that_of_a_loop():
    scores = score_likeness(fit_likeness(BANK), POINTS, LOGITS)
    unit = [vector / np.linalg.norm(vector) for vector in BANK]
    for point, distance in zip(POINTS, scores["knn_distance"], strict=True):
        distances = sorted(np.linalg.norm(point / np.linalg.norm(point) - other) for other in unit)
        assert distance == pytest.approx(distances[9])


def test_mahalanobis_distance_is_scikit_learns():
    for bank in (BANK, BANK[:4]):  # also with fewer frames than dimensions
        scores = score_likeness(fit_likeness(bank), POINTS, LOGITS)
        expected = np.sqrt(LedoitWolf().fit(bank).mahalanobis(POINTS))
        assert scores["mahalanobis_distance"].to_numpy() == pytest.approx(expected, rel=1e-6)


def test_energy_is_minus_the_sum_of_softplus():
    expected = [-sum(np.log(1 + np.exp(logit)) for logit in row) for row in LOGITS]
    assert energy(LOGITS) == pytest.approx(expected)
    assert energy([[800.0, 800.0], [-800.0, -800.0]]).tolist() == [-1600, 0]  # without overflow
    assert np.isnan(energy([[np.nan, 0], [np.inf, 0]])).all()


def test_a_training_frame_is_not_its_own_neighbour():
    few = BANK[:5]
    scores = score_likeness(fit_likeness(few), few, LOGITS[:5])
    unit = few / np.linalg.norm(few, axis=1, keepdims=True)
    farthest = [max(np.linalg.norm(one - other) for other in unit) for one in unit]
    assert scores["knn_distance"].to_numpy() == pytest.approx(farthest)
    # A training frame, and one that is next to it, are as far from the others.
    near = score_likeness(fit_likeness(BANK), np.stack([BANK[0], 2 * BANK[0]]), LOGITS[:2])["knn_distance"]
    distances = np.sort(np.linalg.norm(BANK[0] / np.linalg.norm(BANK[0]) - _unit(BANK), axis=1))
    assert near.to_numpy() == pytest.approx([distances[10]] * 2)


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_what_lies_further_away_scores_higher():
    bank = RNG.normal(size=(200, 8)) + 5 * np.eye(8)[0]
    frames = np.stack([5 * np.eye(8)[0], 5 * np.eye(8)[1], -5 * np.eye(8)[0]])
    scores = score_likeness(fit_likeness(bank), frames, np.array([[4.0], [0.0], [-4.0]]))
    for name in SCORES:
        assert scores[name].is_monotonic_increasing


def test_embeddings_that_are_no_numbers():
    points = POINTS.copy()
    points[3, 1], points[7] = np.nan, np.inf
    scores = score_likeness(fit_likeness(BANK), points, LOGITS)
    assert np.flatnonzero(scores["knn_distance"].isna()).tolist() == [3, 7]
    assert np.flatnonzero(scores["mahalanobis_distance"].isna()).tolist() == [3, 7]
    assert scores["energy"].notna().all()
    good = score_likeness(fit_likeness(BANK), POINTS, LOGITS).drop(index=[3, 7])
    assert np.allclose(scores.drop(index=[3, 7]), good)
    with_nan = np.concatenate([BANK, np.full((1, 6), np.nan)])
    assert np.allclose(score_likeness(fit_likeness(with_nan), POINTS, LOGITS).drop(index=[3, 7]), good)
    assert score_likeness(fit_likeness(BANK), points[[3]], LOGITS[[3]])["knn_distance"].isna().all()


@pytest.mark.parametrize("bank", [np.zeros((0, 6)), BANK[:1], np.ones((9, 6)), np.full((9, 6), np.nan)])
def test_a_bank_that_says_nothing_gives_no_distance(bank):
    scores = score_likeness(fit_likeness(bank), POINTS, LOGITS)
    assert list(scores) == list(SCORES)
    assert scores[["knn_distance", "mahalanobis_distance"]].isna().all(axis=None)
    assert scores["energy"].notna().all()


@pytest.mark.parametrize("bank", [BANK[:2], np.repeat(BANK[:2], 5, axis=0), BANK * [1, 1, 1, 1, 1, 0], BANK[:, :1]])
def test_a_bank_without_spread_in_some_direction_gives_finite_distances(bank):
    scores = score_likeness(fit_likeness(bank.astype(np.float32)), POINTS[:, : bank.shape[1]], LOGITS)
    assert np.isfinite(scores).all(axis=None)


def test_embeddings_of_another_model():
    with pytest.raises(UserError, match="5.* numbers; predict with the model of the run|6 numbers"):
        score_likeness(fit_likeness(BANK), POINTS[:, :5], LOGITS)
    with pytest.raises(UserError, match="not one row of numbers per frame"):
        fit_likeness(BANK[0])


def test_auroc_is_scikit_learns_and_patients_are_drawn_on_both_sides():
    reference, others = RNG.normal(size=60), RNG.normal(size=40) + 1
    truth = roc_auc_score(np.repeat([0, 1], [60, 40]), np.concatenate([reference, others]))
    alone = measure_likeness(reference, np.arange(60), others, resamples=500)
    assert alone["value"] == pytest.approx(truth)
    assert alone["low"] < truth < alone["high"]
    # The same frames, each five times: with its patient the interval stays, frame by frame it would shrink.
    five = np.repeat(reference, 5), np.repeat(np.arange(60), 5), np.repeat(others, 5)
    together = measure_likeness(*five, np.repeat(np.arange(40), 5), resamples=500)
    assert together == pytest.approx(alone)
    apart = measure_likeness(five[0], np.arange(300), five[2], resamples=500)
    assert apart["high"] - apart["low"] < 0.7 * (alone["high"] - alone["low"])


def test_the_two_sides_are_drawn_independently():
    """Two draws that went together would move both sides up and down together, and the AUROC hardly at all."""
    reference = np.linspace(0, 3, 50)
    others = reference + 0.5
    expected, rng = [], np.random.default_rng(1)
    for _ in range(400):
        drawn = np.concatenate([rng.choice(reference, 50), rng.choice(others, 50)])
        expected.append(roc_auc_score(np.repeat([0, 1], 50), drawn))
    measured = measure_likeness(reference, np.arange(50), others, resamples=1000)
    low, high = np.quantile(expected, [0.025, 0.975])
    assert measured["high"] - measured["low"] == pytest.approx(high - low, rel=0.15)


def test_auroc_that_the_data_cannot_support():
    patients = list("aabbcc")
    assert measure_likeness(np.arange(6.0), patients, np.array([]))["reason"] == "no frames"
    assert measure_likeness(np.arange(6.0), patients, np.array([np.nan, 1]))["reason"] == "NaN scores"
    few = measure_likeness(np.arange(6.0), patients, np.array([7.0, 8, 9]), ["x", "x", "y"])
    assert few == {"value": 1.0, "low": None, "high": None, "reason": "fewer than three patients"}
    nobody = measure_likeness(np.arange(6.0), [None] * 6, np.array([7.0, 8, 9]))
    assert nobody["reason"] == "no patient ids"
    constant = measure_likeness(np.ones(6), patients, np.ones(4), resamples=20)
    assert constant == {"value": 0.5, "low": 0.5, "high": 0.5}
