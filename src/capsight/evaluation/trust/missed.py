"""A threshold with a stated bound on missed findings: conformal risk control over patients.

The loss of a patient is the share of its positive frames below the threshold. Angelopoulos, Bates, Fisch, Lei and
Schuster 2022, Conformal risk control, eq. 4, takes the highest threshold with n / (n + 1) R + 1 / (n + 1) <= bound,
where R is the mean loss of n patients and 1 the largest loss there is. That is the logit above which yes stays in the
prediction set at a coverage of 1 - bound. The mean loss of new patients is then at most the bound, on average over
calibration sets, for patients like those of the calibration; a new device may break it.
"""

from collections.abc import Mapping, Sequence

import pandas as pd

from capsight.evaluation.bootstrap import Patients, nothing
from capsight.evaluation.predictions import scored_frames
from capsight.evaluation.trust.conformal import (
    guarantee,
    mean_over_patients,
    patient_quantile,
    share_of_frames,
    why_no_logits,
)

BOUNDS = ("0.05", "0.10", "0.20")


def fit_missed(table: pd.DataFrame, finding: str, bounds: Sequence[str] = BOUNDS) -> dict:
    """Find the highest logit threshold that keeps each bound on missed findings, on validation patients.

    Returns {bound: {"threshold", "n_patients"}}; a frame is called positive where logit >= threshold. null with a
    "reason" where fewer than 1 / bound - 1 patients have the finding, or the table holds no labels, logits or
    patients. Positive frames without a patient, at most a tenth, are left out.
    """
    frames = scored_frames(table, finding)
    patients = table["patient"].iloc[frames.rows[frames.labels]]
    unscored = why_no_logits(table, finding, frames)
    blocks = {}
    for bound in bounds:
        quantile, n_patients, few = patient_quantile(-frames.scores[frames.labels], patients, 1 - float(bound))
        reason = unscored or (few and few.format("with the finding"))
        blocks[bound] = {"threshold": None if reason else -quantile, "n_patients": n_patients}
        blocks[bound] |= {"reason": reason} if reason else {}
    return blocks


def measure_missed(table: pd.DataFrame, patients: Patients, finding: str, fitted: Mapping) -> dict:
    """Measure what each threshold misses, and its specificity: "missed" of metrics.json.

    "missed" is the mean over patients with the finding of the share of their positive frames below the threshold, which
    is what is promised; the frames without a patient count as one more patient. "specificity" is a share of frames.
    Null with a "reason" where there is no threshold or nothing to measure.
    """
    frames = scored_frames(table, finding)
    group, positive = patients.group[frames.rows], frames.labels
    unscored = why_no_logits(table, finding, frames)
    blocks = {}
    for bound, chosen in fitted.items():
        threshold, reason = chosen["threshold"], chosen.get("reason") or unscored
        if reason:
            missed = specificity = nothing(reason)
        else:
            below = frames.scores < threshold
            missed = mean_over_patients(below[positive], group[positive], patients, "no positive frames")
            specificity = share_of_frames(below[~positive], group[~positive], patients, "no negative frames")
        promise = guarantee(missed, float(bound), at_most=True)
        blocks[bound] = {"threshold": threshold, "missed": missed, "specificity": specificity, **promise}
    return blocks
