"""Localisation against loops over pixels and thresholds, and scikit-learn's precision–recall curve."""

import numpy as np
import pytest
import torch
from sklearn.metrics import precision_recall_curve

from capsight.explain.localisation import best_iou, energy_inside, localisation, pointing_game


def case(seed: int, levels: int | None):
    """A map that follows the region loosely; `levels` rounds it, so that pixels tie."""
    rng = np.random.default_rng(seed)
    region = np.zeros((12, 12), bool)
    y, x, height, width = rng.integers(1, 7, 4)
    region[y : y + height, x : x + width] = True
    evidence = rng.normal(size=region.shape) + region
    return evidence if levels is None else np.round(evidence * levels) / levels, region


CASES = [(seed, levels) for seed in range(6) for levels in (None, 4, 1)]


@pytest.mark.parametrize("seed, levels", CASES)
def test_agree_with_loops(seed, levels):
    evidence, region = case(seed, levels)
    top = [(y, x) for y in range(12) for x in range(12) if evidence[y, x] == evidence.max()]
    assert pointing_game(evidence, region) == pytest.approx(sum(region[place] for place in top) / len(top))
    inside = sum(max(value, 0) for value in evidence[region])
    assert energy_inside(evidence, region) == pytest.approx(inside / sum(max(value, 0) for value in evidence.ravel()))
    ious = []
    for threshold in np.unique(evidence):
        said = evidence >= threshold
        ious.append((said & region).sum() / (said | region).sum())
    assert best_iou(evidence, region) == pytest.approx(max(ious))


@pytest.mark.parametrize("seed, levels", CASES)
def test_iou_agrees_with_scikit_learn(seed, levels):
    evidence, region = case(seed, levels)
    precision, recall, _ = precision_recall_curve(region.ravel(), evidence.ravel())
    precision, recall = precision[recall > 0], recall[recall > 0]
    expected = np.max(1 / (1 / np.maximum(precision, 1e-12) + 1 / recall - 1))
    assert best_iou(evidence, region) == pytest.approx(expected)


def test_perfect_and_opposite_maps():
    _, region = case(0, None)
    assert localisation(region.astype(float), region) == {"pointing_game": 1, "energy_inside": 1, "best_iou": 1}
    opposite = localisation(1.0 - region, region)
    assert (opposite["pointing_game"], opposite["energy_inside"]) == (0, 0)
    assert opposite["best_iou"] == pytest.approx(region.mean())  # the whole frame is the best that it can say


@pytest.mark.parametrize("value", [0, 3, -2])
def test_a_constant_map_says_the_share_of_the_region(value):
    _, region = case(1, None)
    found = localisation(np.full(region.shape, value), region)
    assert list(found.values()) == pytest.approx([region.mean()] * 3)


def test_a_map_without_positive_evidence_still_has_a_maximum():
    evidence, region = case(2, None)
    found = localisation(evidence - evidence.max() - 1, region)
    assert found["energy_inside"] == pytest.approx(region.mean())
    assert found["pointing_game"] == pointing_game(evidence, region)
    assert found["best_iou"] == pytest.approx(best_iou(evidence, region))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_maps_that_are_not_finite_are_unknown(bad):
    evidence, region = case(3, None)
    evidence[0, 0] = bad
    assert np.isnan(list(localisation(evidence, region).values())).all()


def test_tensors_are_taken_too():
    evidence, region = case(4, None)
    tensor = torch.from_numpy(evidence).float().requires_grad_()
    assert localisation(tensor, region) == pytest.approx(localisation(evidence.astype(np.float32), region))


def test_what_cannot_be_compared_is_refused():
    evidence, region = case(5, None)
    for map, truth in ((evidence[1:], region), (evidence, np.zeros_like(region))):
        with pytest.raises(ValueError, match="do not compare"):
            localisation(map, truth)
