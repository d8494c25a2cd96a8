"""What a trial is worth: a metric on the validation patients, with its standard error over patients."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from capsight.errors import UserError
from capsight.evaluation.bootstrap import draw_patients, why_no_interval
from capsight.evaluation.predictions import check_predictions, scored_frames, why_no_value
from capsight.evaluation.statistics import ranking_statistics
from capsight.learning.run import read_config

METRICS = ("auroc", "average_precision")


class Score(NamedTuple):
    """The mean over the findings; `standard_error` is None where `reason` says why."""

    value: float
    standard_error: float | None
    reason: str | None


def score_run(folder: Path, metric: str, *, resamples: int = 1000, seed: int = 0) -> Score:
    """Score the validation predictions that a run keeps. UserError where it has none, or they cannot be scored."""
    file = folder / "validation" / "predictions.parquet"
    if not file.is_file():
        raise UserError(f"{folder} has no validation/predictions.parquet, so it cannot be scored; delete the folder.")
    findings = list(read_config(folder / "config.yaml").data.findings)
    return score_predictions(pd.read_parquet(file), findings, metric, resamples=resamples, seed=seed)


def score_predictions(
    table: pd.DataFrame, findings: list[str], metric: str, *, resamples: int = 1000, seed: int = 0
) -> Score:
    """Return the mean of a metric over the findings that have both classes, and its standard error.

    The standard error is the standard deviation over bootstrap samples of the patients (Efron and Tibshirani 1993,
    6.1), the same patients for all findings; a sample in which a finding has one class only is left out.
    """
    check_predictions(table, findings)
    patients = draw_patients(table["patient"], resamples, seed)
    each, reasons = [], []
    for finding in findings:
        frames = scored_frames(table, finding)
        if why := why_no_value(frames):
            if why == "NaN scores":
                raise UserError(f"the logits of {finding} are not numbers: the training diverged.")
            continue
        group = patients.group[frames.rows]
        reasons.append(why_no_interval(patients.n_known, group[frames.labels], group[~frames.labels]))
        statistics = ranking_statistics(frames.labels, frames.scores, group, patients.weights, [])
        each.append(statistics[METRICS.index(metric)])
    if not each:
        raise UserError("no finding has frames with and without it among the validation patients.")
    mean = np.mean(each, axis=0)  # NaN where any of them is
    kept = mean[1:][np.isfinite(mean[1:])]
    reason = next((reason for reason in reasons if reason), None) or (None if len(kept) > 1 else "one class only")
    return Score(float(mean[0]), None if reason else float(kept.std(ddof=1)), reason)
