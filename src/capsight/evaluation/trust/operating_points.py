"""Where to decide: a threshold for a stated specificity or sensitivity, and what it turns into on other patients.

A threshold for a specificity is the lowest that reaches it on validation frames, so it has the largest
sensitivity, and follows from the frames without the finding; one for a sensitivity is the highest that reaches
it, and follows from the frames with the finding. Other patients promise neither: what they get is measured.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from capsight.evaluation.bootstrap import Patients, nothing, patient_groups
from capsight.evaluation.predictions import Scored, scored_frames, why_no_value
from capsight.evaluation.trust.conformal import share_of_frames, why_no_logits

TARGETS = ("0.95", "0.90", "0.80")
ROUNDING = 1e-6  # of a number of frames


def fit_operating_points(table: pd.DataFrame, finding: str, targets: Sequence[str] = TARGETS) -> dict:
    """Choose the logit from which to say yes, for each target, on the frames of validation patients.

    Returns {"specificity": {target: {"threshold", "n_patients"}}, "sensitivity": {the same}}, n_patients being those
    without and with the finding. The threshold is null, with a "reason", where there are no logits or one class
    only, and where every frame would have to get the same answer, as with constant scores: that is no decision.
    """
    frames = scored_frames(table, finding)
    impossible = why_no_logits(table, finding, frames) or why_no_value(frames)
    points = {}
    for kind, of in (("specificity", ~frames.labels), ("sensitivity", frames.labels)):
        _, n_patients = patient_groups(table["patient"].iloc[frames.rows[of]])
        points[kind] = {}
        for target in targets:
            chosen = {"threshold": None, "reason": impossible} if impossible else _choose(frames, kind, float(target))
            points[kind][target] = chosen | {"n_patients": n_patients}
    return points


def _choose(frames: Scored, kind: str, target: float) -> dict:
    """Pick among all thresholds; halfway to the next lower score, so that a rounded score falls on the same side."""
    candidates = np.append(np.unique(frames.scores), np.inf)
    with_finding, without = np.sort(frames.scores[frames.labels]), np.sort(frames.scores[~frames.labels])
    if kind == "specificity":
        false_alarms = len(without) - np.searchsorted(without, candidates)
        best = int(np.argmax(false_alarms <= _wrong_at_most(len(without), target)))
    else:
        missed = np.searchsorted(with_finding, candidates)
        best = int(np.searchsorted(missed, _wrong_at_most(len(with_finding), target), side="right")) - 1
    if best in (0, len(candidates) - 1):
        return {"threshold": None, "reason": f"only {'no' if best else 'yes'} to every frame reaches it"}
    above, below = candidates[best], candidates[best - 1]
    middle = (above + below) / 2
    return {"threshold": float(middle if middle > below else above)}


def _wrong_at_most(n_frames: int, target: float) -> float:
    """Return the whole frames that may be wrong; the small term undoes the rounding of 1 - target."""
    return np.floor(n_frames * (1 - target) + ROUNDING)


def measure_operating_points(table: pd.DataFrame, patients: Patients, finding: str, fitted: Mapping) -> dict:
    """Measure the sensitivity and specificity of each fitted threshold: "operating_points" of metrics.json.

    `fitted` is what `fit_operating_points` returned. Each number needs frames of its own kind only, so that a device
    without the finding still has a specificity. Null with a "reason" where there is no threshold or no such frame.
    """
    frames = scored_frames(table, finding)
    unmeasured = why_no_logits(table, finding, frames)
    return {
        kind: {target: _measure(frames, patients, point, unmeasured) for target, point in points.items()}
        for kind, points in fitted.items()
    }


def _measure(frames: Scored, patients: Patients, point: Mapping, unmeasured: str | None) -> dict:
    threshold, reason = point["threshold"], unmeasured or point.get("reason")
    if reason:
        return {"threshold": threshold, "sensitivity": nothing(reason), "specificity": nothing(reason)}
    return {"threshold": threshold, **decided(frames.labels, frames.scores >= threshold, frames.rows, patients)}


def decided(labels: np.ndarray, said: np.ndarray, rows: np.ndarray, patients: Patients) -> dict:
    """Return the sensitivity and specificity of yes-or-no decisions; labels, said and rows (of the table) are (n,)."""
    group = patients.group[rows]
    return {
        "sensitivity": share_of_frames(said[labels], group[labels], patients, "no positive frames"),
        "specificity": share_of_frames(~said[~labels], group[~labels], patients, "no negative frames"),
    }
