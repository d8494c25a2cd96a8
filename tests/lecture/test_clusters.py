import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from capsight.evaluation.bootstrap import draw_patients
from capsight.lecture.clusters import adjusted_rand_index, cluster_score

RNG = np.random.default_rng(0)
PATIENTS = draw_patients([f"p{row // 3}" for row in range(90)], 30, seed=0)


@pytest.mark.parametrize("agreement", [0.0, 0.5, 1.0])
def test_it_is_that_of_scikit_learn_in_every_drawing(agreement):
    labels = RNG.integers(4, size=90)
    clusters = np.where(RNG.random(90) < agreement, (labels + 1) % 4, RNG.integers(5, size=90))
    found = adjusted_rand_index(labels, clusters, PATIENTS)
    assert found.shape == (31,)
    for weights, value in zip(PATIENTS.weights, found, strict=True):
        rows = np.repeat(np.arange(90), weights[PATIENTS.group].astype(int))
        assert value == pytest.approx(adjusted_rand_score(labels[rows], clusters[rows]))
    assert (found[0] == 1) == (agreement == 1)


def test_codes_that_lie_in_heaps_give_the_classes():
    labels = np.arange(90) % 3
    heaps = 10 * np.eye(3)[labels] + RNG.standard_normal((90, 3))
    score = cluster_score(heaps[::-1], heaps, labels, PATIENTS, classes=3, seed=0)
    assert score["low"] > 0.9
    chance = cluster_score(heaps, heaps, RNG.permutation(labels), PATIENTS, classes=3, seed=0)
    assert chance["value"] < 0.2
