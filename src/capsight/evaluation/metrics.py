"""All numbers of metrics.json, from the predictions table alone.

Every number is {"value", "low", "high"}: a 95 % interval from resampling patients. What the data cannot
support is null, and "reason" says why: "no labels", "one class only" and "NaN scores" leave no value; "no
patient ids" (more than a tenth of the positive or of the negative frames lack one) and "fewer than three
patients" (have, or do not have, the finding) leave the value without an interval.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from capsight.errors import UserError
from capsight.evaluation.bootstrap import Patients, draw_patients
from capsight.evaluation.findings import mean_over_findings, measure_finding
from capsight.evaluation.predictions import check_predictions, check_thresholds
from capsight.evaluation.retrieval import measure_embedding
from capsight.evaluation.trust import Trust, measure_ood, measure_trust
from capsight.files import write_json
from capsight.progress import track

UNKNOWN_DEVICE = "unknown"


def measure(
    predictions: pd.DataFrame,
    embeddings: np.ndarray | None = None,
    *,
    findings: Sequence[str],
    thresholds: Mapping[str, float | None] | None = None,
    resamples: int = 2000,
    seed: int = 0,
    trust: Trust | None = None,
) -> dict:
    """Measure predictions, overall and per device; returns the content of metrics.json.

    predictions: one row per frame with patient, device, and per finding label_, logit_ and/or probability_.
    embeddings: (n, d) in the same order. thresholds: probability per finding for F1, balanced accuracy and
    MCC (chosen on other patients); 0.5 where there is none. trust: what the predictions are held against, for the
    keys calibration, selective, conformal, ood and operating_points. Raises UserError on tables that cannot be
    measured.
    """
    thresholds = thresholds or {}
    check_predictions(predictions, findings, embeddings)
    check_thresholds(thresholds, findings)
    if resamples < 1:
        raise UserError(f"resamples is {resamples}; an interval needs at least 1, better 2000.")

    devices = predictions["device"].astype("string").fillna(UNKNOWN_DEVICE)
    names = sorted(devices.unique())
    parts = [np.arange(len(predictions))]
    if len(names) > 1:
        parts += [np.flatnonzero(devices == name) for name in names]
    tables = [predictions.iloc[rows] for rows in parts]
    drawn = [draw_patients(table["patient"], resamples, seed) for table in tables]

    measured = []
    for rows, table, patients in track(list(zip(parts, tables, drawn, strict=True)), "Measuring findings"):
        measured.append(numbers := _measure_frames(table, patients, findings, thresholds))
        points = None if embeddings is None else embeddings[rows]
        numbers["embedding"] = measure_embedding(table, points, findings, patients)
        if trust:
            numbers |= measure_trust(table, patients, findings, trust)
    whole, *each = measured
    if trust:
        by_device = dict(tuple(predictions.groupby(devices.to_numpy())))
        whole["ood"] = measure_ood(by_device, trust, resamples=resamples, seed=seed)
        for name, numbers in zip(names, each, strict=False):
            numbers["ood"] = {score: {"auroc": {name: of["auroc"][name]}} for score, of in whole["ood"].items()}
    return {**whole, "by_device": dict(zip(names, each or [whole], strict=True))}


def _measure_frames(
    table: pd.DataFrame, patients: Patients, findings: Sequence[str], thresholds: Mapping[str, float | None]
) -> dict:
    """Measure every finding on some frames, and the means over findings."""
    blocks, auroc, f1 = {}, [], []
    for finding in findings:
        threshold = thresholds.get(finding)
        threshold = 0.5 if threshold is None else float(threshold)
        blocks[finding], statistics, reason = measure_finding(table, patients, finding, threshold)
        if statistics:
            auroc.append((statistics["auroc"], reason))
            f1.append((statistics["f1"], reason))
    return {
        "n_frames": len(table),
        "n_patients": patients.n_known,
        "findings": blocks,
        "mean_auroc": mean_over_findings(auroc),
        "macro_f1": mean_over_findings(f1),
    }


def write_metrics(metrics: Mapping, file: str | Path) -> None:
    """Write metrics as JSON, whole or not at all; NaN and infinities, which JSON lacks, become null."""
    write_json(_plain(metrics), file)


def _plain(value: object) -> object:
    """Turn NumPy scalars and arrays into what JSON has."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
