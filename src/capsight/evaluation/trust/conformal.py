"""Prediction sets: which of yes and no can be ruled out for a frame, with a stated coverage.

The frames of a patient are not exchangeable with those of another, patients are. So the coverage is promised
for a random frame of a new patient, and calibrated over patients: hierarchical conformal prediction (Lee,
Barber and Willett 2023, Distribution-free inference with hierarchical data, 3.1; Dunn, Wasserman and Ramdas
2023). It is promised separately for frames with and without the finding (Vovk 2012, Conditional validity of
inductive conformal predictors, 4): always saying no would cover nearly all frames of a rare finding.

The promise is an average over calibration sets as well as over patients, and holds for patients like those of
the calibration: a new device may break it.
"""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
import pandas as pd

from capsight.evaluation.bootstrap import (
    MAX_WITHOUT_PATIENT,
    Interval,
    Patients,
    interval,
    nothing,
    patient_groups,
    why_no_interval,
)
from capsight.evaluation.predictions import Scored, scored_frames, why_no_value

COVERAGES = ("0.95", "0.90")
ROUNDING = 1e-9  # of sums of shares
WORST_FIRST = ("broken", None, "not shown", "holds")


def fit_conformal(table: pd.DataFrame, finding: str, coverages: Sequence[str] = COVERAGES) -> dict:
    """Find between which logits yes and no stay in the set of a frame, per coverage, on validation patients.

    Returns {coverage: {"positive", "negative", "n_patients_positive", "n_patients_negative"}}: yes stays in
    the set where logit >= positive, no where logit <= negative. null where the patients are too few to rule
    the label out; then it always stays, and "reason_positive" or "reason_negative" says why. Frames without a
    patient are left out; where they are more than a tenth, nothing is ruled out. {"reason"} where there are no
    labels or logits.
    """
    frames = scored_frames(table, finding)
    reason = why_no_logits(table, finding, frames)
    if reason:
        return {"reason": reason}
    patients = table["patient"].iloc[frames.rows]
    return {coverage: _fit_labels(frames, patients, float(coverage)) for coverage in coverages}


def _fit_labels(frames: Scored, patients: pd.Series, coverage: float) -> dict:
    block = {}
    sides = (("positive", frames.labels, -1, "with the finding"), ("negative", ~frames.labels, 1, "without it"))
    for name, of, sign, whose in sides:
        quantile, n_patients, reason = patient_quantile(sign * frames.scores[of], patients[of], coverage)
        block |= {name: None if quantile is None else sign * quantile, f"n_patients_{name}": n_patients}
        if reason:
            block[f"reason_{name}"] = reason.format(whose)
    return block


def patient_quantile(
    nonconformity: np.ndarray, patients: pd.Series, coverage: float
) -> tuple[float | None, int, str | None]:
    """Bound the nonconformity of a random frame of a new patient; returns the bound, the patients, and why none.

    nonconformity (n,) finite, patients (n,). The reason has a {} for which patients they are. The bound is the
    quantile of sum_k sum_i 1 / ((K + 1) N_k) at frame i of patient k and 1 / (K + 1) at infinity, with
    K patients of N_k frames (Lee, Barber and Willett 2023, 3.1).
    """
    group, n_known = patient_groups(patients)
    known = group < n_known
    if np.count_nonzero(~known) > MAX_WITHOUT_PATIENT * len(known):
        return None, n_known, "no patient ids"
    needed = ceil(coverage / (1 - coverage) - ROUNDING)
    if n_known < needed:
        return None, n_known, f"needs at least {needed} patients {{}}, has {n_known}"
    nonconformity, group = nonconformity[known], group[known]
    order = np.argsort(nonconformity, kind="stable")
    mass = np.cumsum(1 / np.bincount(group)[group[order]]) / (n_known + 1)
    return float(nonconformity[order[np.searchsorted(mass, coverage - ROUNDING)]]), n_known, None


def measure_conformal(table: pd.DataFrame, patients: Patients, finding: str, fitted: Mapping) -> dict:
    """Measure how often the sets hold the truth: "sets" of metrics.json.

    A coverage is the mean over patients of the share of their frames whose set holds their label, which is
    what is promised; "undecided" and "empty" are the shares of frames whose set holds both labels, or none.
    The frames without a patient count as one more patient. "guarantee" is the worse of positive and negative
    frames; "reason_positive" or "reason_negative" says that a label always stays, so that it holds for nothing.
    {"reason"} where nothing can be measured.
    """
    frames = scored_frames(table, finding)
    reason = fitted.get("reason") or why_no_logits(table, finding, frames)
    if reason:
        return {"reason": reason}
    group = patients.group[frames.rows]
    return {coverage: _measure_sets(frames, group, patients, coverage, fitted[coverage]) for coverage in fitted}


def _measure_sets(frames: Scored, group: np.ndarray, patients: Patients, coverage: str, bounds: Mapping) -> dict:
    lowest, highest = bounds["positive"], bounds["negative"]
    yes = frames.scores >= (-np.inf if lowest is None else lowest)
    no = frames.scores <= (np.inf if highest is None else highest)
    covered = np.where(frames.labels, yes, no)
    positive, negative = (
        mean_over_patients(covered[of], group[of], patients, f"no {name} frames")
        for name, of in (("positive", frames.labels), ("negative", ~frames.labels))
    )
    promises = [
        guarantee(measured, float(coverage))
        if bounds[name] is not None
        else {"guarantee": None, "reason": bounds[f"reason_{name}"]}  # the label is never ruled out: kept, but empty
        for name, measured in (("positive", positive), ("negative", negative))
    ]
    return {
        "coverage": mean_over_patients(covered, group, patients),
        "coverage_positive": positive,
        "coverage_negative": negative,
        "undecided": share_of_frames(yes & no, group, patients),
        "empty": share_of_frames(~yes & ~no, group, patients),
        **min(promises, key=lambda promise: WORST_FIRST.index(promise["guarantee"])),
        **{key: text for key, text in bounds.items() if key.startswith("reason_")},
    }


def why_no_logits(table: pd.DataFrame, finding: str, frames: Scored) -> str | None:
    """Say why no threshold on the logits can be set or applied; None where one can. One class is enough."""
    if f"logit_{finding}" not in table:
        return "no logits"
    reason = why_no_value(frames)
    return None if reason == "one class only" else reason


def mean_over_patients(hit: np.ndarray, group: np.ndarray, patients: Patients, empty: str = "no labels") -> Interval:
    """Average over patients the share of their frames that are hit; hit (n,) bool, group (n,) int."""
    return _weighted_share(hit, 1 / np.bincount(group)[group], group, patients, empty)


def share_of_frames(hit: np.ndarray, group: np.ndarray, patients: Patients, empty: str = "no labels") -> Interval:
    """Share of all frames that are hit, so that patients count by their frames; hit (n,) bool, group (n,) int."""
    return _weighted_share(hit, np.ones(len(hit)), group, patients, empty)


def _weighted_share(hit: np.ndarray, weight: np.ndarray, group: np.ndarray, patients: Patients, empty: str) -> Interval:
    if not len(hit):
        return nothing(empty)
    n_groups = patients.weights.shape[1]
    total = patients.weights @ np.bincount(group, weight, minlength=n_groups)
    values = patients.weights @ np.bincount(group, weight * hit, minlength=n_groups)
    values = values / np.where(total > 0, total, np.nan)
    return interval(values, why_no_interval(patients.n_known, group))


def guarantee(measured: Interval, target: float, *, at_most: bool = False) -> dict:
    """Compare what was promised, at least (or at most) `target`, with what was measured.

    "guarantee" is "holds", "not shown" (the value misses the target, its interval reaches it), "broken" (all
    of the interval misses it), or null with a "reason" where there is no interval.
    """
    if measured["low"] is None:
        return {"guarantee": None, "reason": measured["reason"]}
    sign, best = (-1, "low") if at_most else (1, "high")
    short = [sign * (target - measured[part]) > ROUNDING for part in ("value", best)]
    return {"guarantee": "broken" if all(short) else "not shown" if short[0] else "holds"}
