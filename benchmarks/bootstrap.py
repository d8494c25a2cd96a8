"""Intervals over patients against the plain loop with scikit-learn."""

from collections.abc import Callable, Iterator

import numpy as np
from cases import Case

from capsight.evaluation.bootstrap import Patients, draw_patients
from capsight.evaluation.statistics import ranking_statistics

SPECIFICITIES = (0.95, 0.90, 0.80)


def cases(quick: bool) -> Iterator[Case]:
    inputs = {"frames": 200, "patients": 10, "resamples": 20} if quick else {}
    inputs = {"frames": 5000, "patients": 50, "resamples": 2000} | inputs
    size = "{frames:,} frames, {patients} patients, {resamples:,} resamples".format(**inputs)
    peers = {"loop with scikit-learn": loop}
    yield Case("bootstrap over patients", size, inputs, {"resamples": 2, "frames": 200}, ours, peers, same=True)


def finding(frames: int, patients: int, resamples: int) -> tuple[np.ndarray, np.ndarray, Patients]:
    """Labels, scores and draws of a finding that one frame in ten has."""
    rng = np.random.default_rng(0)
    labels = rng.random(frames) < 0.1
    return labels, rng.normal(labels), draw_patients(np.arange(frames) % patients, resamples, seed=0)


def ours(**inputs) -> Callable:
    labels, scores, patients = finding(**inputs)
    return lambda: ranking_statistics(labels, scores, patients.group, patients.weights, SPECIFICITIES)


def loop(**inputs) -> Callable:
    from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

    labels, scores, patients = finding(**inputs)
    rows = [np.flatnonzero(patients.group == patient) for patient in range(patients.n_known)]

    def statistics(weights: np.ndarray) -> tuple:
        drawn = np.concatenate([rows[patient] for patient in np.repeat(np.arange(len(rows)), weights.astype(int))])
        truth, score = labels[drawn], scores[drawn]
        alarms, sensitivity, _ = roc_curve(truth, score, drop_intermediate=False)
        reached = [sensitivity[alarms <= 1 - specificity + 1e-9][-1] for specificity in SPECIFICITIES]
        return roc_auc_score(truth, score), average_precision_score(truth, score), reached

    return lambda: tuple(map(np.array, zip(*map(statistics, patients.weights), strict=True)))
