"""How many frames of a video are flagged in vain, where a given share of those with a finding is to be found."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from capsight.evaluation.bootstrap import Patients, draw_patients, interval, nothing, why_no_interval
from capsight.evaluation.statistics import ranking_statistics
from capsight.lecture.drawn_frames import truth

RESAMPLES = 2000
ALL = "all findings"


def compare_false_positives(
    table: pd.DataFrame, findings: Sequence[str], logits: dict[str, Tensor], *, sensitivity: float, seed: int
) -> dict:
    """Return false positives per video and AUROC per finding and judge, and how many more the first judge has.

    table: one row per frame with patient, video and findings. logits: {judge: (n, F)} in its order. Every judge has,
    for every finding, the highest threshold with which it reaches `sensitivity` on these frames, in every resample of
    the patients anew. Under `ALL` the false positives of the findings are added up.
    """
    patients = draw_patients(table["patient"], RESAMPLES, seed)
    videos = table.groupby(patients.group)["video"].nunique().to_numpy()
    labels = truth(table, findings).numpy()
    first = next(iter(logits))
    numbers = {name: {} for name in ("false_positives_per_video", "auroc", "fewer_than_" + first)}
    flagged, reasons = [], []
    for column, finding in enumerate(findings):
        known = ~np.isnan(labels[:, column])
        there, group = labels[known, column] == 1, patients.group[known]
        if not there.any() or there.all():
            numbers = {name: part | {finding: nothing("one class only")} for name, part in numbers.items()}
            continue
        alarms, auroc = {}, {}
        for name, values in logits.items():
            score = values.numpy()[known, column]
            alarms[name] = false_positives(there, score, group, patients, videos, sensitivity)
            auroc[name] = ranking_statistics(there, score, group, patients.weights, [])[0]
        flagged.append(alarms)
        reasons.append(why_no_interval(patients.n_known, group[there], group[~there]))
        numbers["auroc"][finding] = {name: interval(values, reasons[-1]) for name, values in auroc.items()}
        _tell(numbers, finding, alarms, reasons[-1])
    if flagged:
        total = {name: sum(alarms[name] for alarms in flagged) for name in logits}  # each (1 + resamples,)
        _tell(numbers, ALL, total, next(filter(None, reasons), None))
    return numbers


def _tell(numbers: dict, finding: str, alarms: dict[str, np.ndarray], reason: str | None) -> None:
    """Write down the false positives (1 + resamples,) of every judge, and how many fewer than the first they are."""
    first, *others = alarms
    fewer = {name: alarms[first] - alarms[name] for name in others}
    for part, values in (("false_positives_per_video", alarms), ("fewer_than_" + first, fewer)):
        numbers[part][finding] = {name: interval(value, reason) for name, value in values.items()}


def false_positives(
    labels: np.ndarray,
    scores: np.ndarray,
    group: np.ndarray,
    patients: Patients,
    videos: np.ndarray,
    sensitivity: float,
) -> np.ndarray:
    """Frames without the finding that are flagged, per video, (1 + resamples,).

    labels (n,) bool, scores (n,), group (n,) of the frames; videos (groups,). The specificity at a sensitivity is the
    sensitivity at a specificity of the turned question.
    """
    specificity = ranking_statistics(~labels, -scores, group, patients.weights, [sensitivity])[2][:, 0]
    negatives = patients.weights @ np.bincount(group[~labels], minlength=patients.weights.shape[1])
    return (1 - specificity) * negatives / (patients.weights @ videos)
