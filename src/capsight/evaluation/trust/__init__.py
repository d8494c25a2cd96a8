"""How far predictions can be trusted: what was fitted on validation patients, and what it is worth on others."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy.special import logit

from capsight.evaluation.bootstrap import Patients
from capsight.evaluation.curves import pick_threshold
from capsight.evaluation.trust.calibration import apply_calibration, calibrated, fit_calibration, fitted_methods
from capsight.evaluation.trust.calibration_error import measure_calibration
from capsight.evaluation.trust.conformal import fit_conformal, measure_conformal
from capsight.evaluation.trust.likeness import SCORES, measure_likeness
from capsight.evaluation.trust.missed import fit_missed, measure_missed
from capsight.evaluation.trust.operating_points import fit_operating_points, measure_operating_points
from capsight.evaluation.trust.selective import measure_selective

REFERRAL_TARGET = 0.90  # the specificity whose threshold decides in selective prediction, or the one closest to it


@dataclass(frozen=True)
class Trust:
    """What predictions are held against.

    fitted: the result of `fit_trust`. validation: the predictions of the validation frames. outsiders: those of images
    that are no capsule frames, their kind in the column `device`. Both have the columns of `likeness`.
    """

    fitted: dict
    validation: pd.DataFrame
    outsiders: pd.DataFrame


def fit_trust(
    validation: pd.DataFrame,
    findings: Sequence[str],
    *,
    targets: Sequence[float] = (0.95, 0.90, 0.80),
    coverage: Sequence[float] = (0.95, 0.90),
    missed: Sequence[float] = (0.05, 0.10, 0.20),
) -> dict:
    """Fit on the predictions of validation patients all that is applied to others; returns the content of trust.json.

    targets: specificities and sensitivities to choose operating points for. coverage: of conformal sets. missed:
    bounds on the missed share of a patient's frames. "thresholds" are probabilities, with the best balanced accuracy;
    all other thresholds are logits.
    """
    targets, coverage, missed = (tuple(map(_key, values)) for values in (targets, coverage, missed))
    return {
        "thresholds": {f: pick_threshold(validation[f"label_{f}"], validation[f"probability_{f}"]) for f in findings},
        "calibration": {f: fit_calibration(validation, f) for f in findings},
        "operating_points": {f: fit_operating_points(validation, f, targets) for f in findings},
        "conformal": {f: fit_conformal(validation, f, coverage) for f in findings},
        "missed": {f: fit_missed(validation, f, missed) for f in findings},
    }


def calibrate(predictions: pd.DataFrame, fitted: dict, method: str) -> tuple[pd.DataFrame, dict[str, float | None]]:
    """Apply a calibration to the predictions and to the thresholds of a fitted trust; returns both.

    A finding to which it could not be fitted keeps its plain probabilities: see `uncalibrated`.
    """
    thresholds = dict(fitted["thresholds"])
    if method == "none":
        return predictions, thresholds
    left_out = uncalibrated(fitted, method)
    kept = [finding for finding in thresholds if finding not in left_out]
    for finding in kept:
        if thresholds[finding] is not None:
            block = fitted["calibration"][finding]
            thresholds[finding] = float(calibrated(block, method, [logit(thresholds[finding])])[0])
    return apply_calibration(predictions, fitted["calibration"], method, kept), thresholds


def uncalibrated(fitted: dict, method: str) -> list[str]:
    """Return the findings to which a calibration could not be fitted."""
    blocks = fitted["calibration"] if method != "none" else {}
    return [finding for finding, block in blocks.items() if method not in fitted_methods(block)]


def measure_trust(table: pd.DataFrame, patients: Patients, findings: Sequence[str], trust: Trust) -> dict:
    """Measure on some frames what was fitted on others; the keys that metrics.json gains, but "ood"."""
    fitted = trust.fitted
    return {
        "calibration": {f: measure_calibration(table, patients, f, fitted["calibration"][f]) for f in findings},
        "selective": {f: _selective(table, patients, f, fitted["operating_points"][f]) for f in findings},
        "conformal": {
            f: {
                "sets": measure_conformal(table, patients, f, fitted["conformal"][f]),
                "missed": measure_missed(table, patients, f, fitted["missed"][f]),
            }
            for f in findings
        },
        "operating_points": {
            f: measure_operating_points(table, patients, f, fitted["operating_points"][f]) for f in findings
        },
    }


def measure_ood(devices: dict[str, pd.DataFrame], trust: Trust, *, resamples: int, seed: int) -> dict:
    """Measure how well each score of `likeness` tells frames from validation frames: "ood" of metrics.json.

    devices: {name: predictions of its frames}. Outsiders have no patients: each counts as its own.
    """
    outsiders = dict(tuple(trust.outsiders.groupby("device")))

    def auroc(score: str, table: pd.DataFrame, patients: pd.Series | None) -> dict:
        of, validation = table[score].to_numpy(float), trust.validation
        reference = validation[score].to_numpy(float)
        return measure_likeness(reference, validation["patient"], of, patients, resamples=resamples, seed=seed)

    return {
        score: {
            "auroc": {name: auroc(score, table, table["patient"]) for name, table in devices.items()}
            | {kind: auroc(score, table, None) for kind, table in outsiders.items()}
        }
        for score in SCORES
    }


def _selective(table: pd.DataFrame, patients: Patients, finding: str, points: dict) -> dict:
    specificities = points.get("specificity", {})
    target = min(specificities, key=lambda name: abs(float(name) - REFERRAL_TARGET), default=None)
    threshold = specificities[target]["threshold"] if target else None
    if threshold is None:
        return {"reason": specificities[target]["reason"] if target else "no operating point"}
    return measure_selective(table, patients, finding, threshold, f"specificity {target}")


def _key(share: float) -> str:
    """Name a share as the keys of metrics.json do: 0.9 is "0.90"."""
    return f"{share:.2f}" if round(share, 2) == share else f"{share:g}"
