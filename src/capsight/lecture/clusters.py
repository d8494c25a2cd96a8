"""Clusters of codes, and how well they agree with the classes that nobody told."""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.cluster import KMeans

from capsight.evaluation.bootstrap import Interval, Patients, interval


def cluster_score(
    training: ArrayLike, test: ArrayLike, labels: np.ndarray, patients: Patients, *, classes: int, seed: int
) -> Interval:
    """Return the adjusted Rand index of `labels` and the nearest of `classes` k-means, found on the training codes.

    Codes (n, D); labels (n,) int of the test codes. 0 is chance, 1 is the classes.
    """
    means = KMeans(classes, n_init=10, random_state=seed).fit(training)
    return interval(adjusted_rand_index(labels, means.predict(test), patients))


def adjusted_rand_index(labels: np.ndarray, clusters: np.ndarray, patients: Patients) -> np.ndarray:
    """Return the index of Hubert and Arabie 1985, equation 5, in every drawing of patients: (1 + resamples,).

    It follows from how many images of each class are in each cluster, which are sums over patients.
    """
    shape = patients.weights.shape[1], labels.max() + 1, clusters.max() + 1
    counts = np.zeros(shape)
    np.add.at(counts, (patients.group, labels, clusters), 1)
    tables = np.tensordot(patients.weights, counts, 1)  # (1 + resamples, classes, clusters)
    together = _pairs(tables).sum((1, 2))
    rows, columns = _pairs(tables.sum(2)).sum(1), _pairs(tables.sum(1)).sum(1)
    expected = rows * columns / _pairs(tables.sum((1, 2)))
    return (together - expected) / ((rows + columns) / 2 - expected)


def _pairs(number: np.ndarray) -> np.ndarray:
    return number * (number - 1) / 2
