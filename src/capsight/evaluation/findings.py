"""One finding's numbers, with intervals."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from capsight.evaluation.bootstrap import Interval, Patients, interval, nothing, why_no_interval
from capsight.evaluation.predictions import scored_frames, why_no_value
from capsight.evaluation.statistics import decision_statistics, ranking_statistics

SPECIFICITIES = ("0.95", "0.90", "0.80")
STATISTICS = ("auroc", "average_precision", "f1", "balanced_accuracy", "mcc")


def measure_finding(
    table: pd.DataFrame, patients: Patients, finding: str, threshold: float
) -> tuple[dict, dict[str, np.ndarray], str | None]:
    """Measure one finding on the frames where it is known.

    Returns its block of metrics.json, its statistics under all weights (empty where there are none), and why
    these carry no interval (None where they do). Frames with a probability of at least `threshold` are called
    positive.
    """
    frames = scored_frames(table, finding)
    group = patients.group[frames.rows]
    with_finding, without = group[frames.labels], group[~frames.labels]
    counts = {
        "n_frames": len(frames.rows),
        "n_positive": len(with_finding),
        "n_patients_positive": len(np.unique(with_finding[with_finding < patients.n_known])),
        "threshold": threshold,
    }
    impossible = why_no_value(frames)
    if impossible:
        numbers = {name: nothing(impossible) for name in STATISTICS}
        sensitivities = {target: nothing(impossible) for target in SPECIFICITIES}
        return counts | numbers | {"sensitivity_at_specificity": sensitivities}, {}, impossible

    reason = why_no_interval(patients.n_known, with_finding, without)
    weights = patients.weights[:1] if reason else patients.weights
    targets = [float(target) for target in SPECIFICITIES]
    auroc, precision, sensitivity = ranking_statistics(frames.labels, frames.scores, group, weights, targets)
    statistics = {"auroc": auroc, "average_precision": precision, "sensitivity_at_specificity": sensitivity}
    statistics |= decision_statistics(frames.labels, frames.probabilities >= threshold, group, weights)
    numbers = {name: interval(statistics[name], reason) for name in STATISTICS}
    sensitivities = {
        target: interval(values, reason) for target, values in zip(SPECIFICITIES, sensitivity.T, strict=True)
    }
    return counts | numbers | {"sensitivity_at_specificity": sensitivities}, statistics, reason


def mean_over_findings(statistics: Sequence[tuple[np.ndarray, str | None]]) -> Interval:
    """Average a statistic over the findings that have it; an interval needs one from each of them."""
    if not statistics:
        return nothing("no finding can be measured") | {"n_findings": 0}
    reason = next((reason for _, reason in statistics if reason), None)
    shortest = min(len(values) for values, _ in statistics)
    mean = np.mean([values[:shortest] for values, _ in statistics], axis=0)
    return interval(mean, reason) | {"n_findings": len(statistics)}
