"""What a model is worth on some frames, under every resample of their patients."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from capsight.evaluation.bootstrap import Interval, Patients, draw_patients, why_no_interval
from capsight.evaluation.predictions import Scored, scored_frames, why_no_value
from capsight.evaluation.shift.drawn import Drawn, absent, mean
from capsight.evaluation.statistics import ranking_statistics
from capsight.evaluation.trust.calibration import calibrated, fitted_methods
from capsight.evaluation.trust.calibration_error import _number, calibration_statistics, equal_mass_bins

SPECIFICITY = 0.90  # for which the threshold was chosen on the source's validation patients; one of trust.targets
CALIBRATION = "temperature"  # one number from the source: what it cannot mend is not a matter of scale
STATISTICS = ("auroc", "sensitivity", "specificity", "ece", "ece_calibrated")

Statistics = dict[str, dict[str, Drawn]]  # finding, then statistic


def measure(table: pd.DataFrame, patients: Patients, findings: Sequence[str], fitted: Mapping) -> Statistics:
    """Return the STATISTICS of each finding on the frames of `table`, whose patients are drawn.

    fitted: the content of trust.json, whose threshold and temperature are of the source. ece is that of the plain
    probabilities, ece_calibrated that of those divided by the temperature.
    """
    return {finding: _measure(table, patients, finding, fitted) for finding in findings}


def draw_together(tables: Sequence[pd.DataFrame], resamples: int, seed: int) -> list[Patients]:
    """Draw the patients of several tables at once: one who is in two of them is drawn as often in both."""
    drawn = draw_patients(pd.concat([table["patient"] for table in tables]), resamples, seed)
    ends = np.cumsum([len(table) for table in tables])
    return [drawn._replace(group=group) for group in np.split(drawn.group, ends[:-1])]


def mean_auroc(statistics: Statistics, findings: Sequence[str], resamples: int) -> Drawn:
    """Average the AUROC over `findings`."""
    if not findings:
        return absent(resamples, "no finding has both classes on source and target")
    return mean([statistics[finding]["auroc"] for finding in findings])


def intervals(statistics: Mapping[str, Drawn]) -> dict[str, Interval]:
    """Return one finding's statistics with their intervals.

    Noise pushes calibration errors upwards, in the resamples again: see `trust.calibration_error`.
    """
    return {
        name: _number("ece", drawn.values, drawn.reason) if name.startswith("ece") and drawn.value is not None
        else drawn.interval()
        for name, drawn in statistics.items()
    }  # fmt: skip


def _measure(table: pd.DataFrame, patients: Patients, finding: str, fitted: Mapping) -> dict[str, Drawn]:
    frames, resamples = scored_frames(table, finding), len(patients.weights) - 1
    impossible = why_no_value(frames)
    if impossible in ("no labels", "NaN scores"):
        return dict.fromkeys(STATISTICS, absent(resamples, impossible))
    group = patients.group[frames.rows]
    found = {"auroc": absent(resamples, impossible) if impossible else _auroc(frames, group, patients)}
    found |= _at_threshold(frames, group, patients, fitted["operating_points"].get(finding, {}))
    return found | _calibration(frames, group, patients, fitted["calibration"].get(finding, {}))


def _auroc(frames: Scored, group: np.ndarray, patients: Patients) -> Drawn:
    reason = why_no_interval(patients.n_known, group[frames.labels], group[~frames.labels])
    auroc, _, _ = ranking_statistics(frames.labels, frames.scores, group, patients.weights, [])
    return Drawn(auroc, reason)


def _at_threshold(frames: Scored, group: np.ndarray, patients: Patients, points: Mapping) -> dict[str, Drawn]:
    """Sensitivity and specificity at the threshold that had a specificity of SPECIFICITY on the source."""
    key = f"{SPECIFICITY:.2f}"
    absence = {"threshold": None, "reason": f"no threshold was chosen for a specificity of {key}"}
    point = points.get("specificity", {}).get(key, absence)
    if point["threshold"] is None:
        return dict.fromkeys(("sensitivity", "specificity"), absent(len(patients.weights) - 1, point["reason"]))
    said = frames.scores >= point["threshold"]
    return {
        "sensitivity": _share(said, frames.labels, group, patients, "no positive frames"),
        "specificity": _share(~said, ~frames.labels, group, patients, "no negative frames"),
    }


def _share(hit: np.ndarray, of: np.ndarray, group: np.ndarray, patients: Patients, empty: str) -> Drawn:
    if not of.any():
        return absent(len(patients.weights) - 1, empty)
    n_groups = patients.weights.shape[1]
    hits, total = (patients.weights @ np.bincount(group[rows], minlength=n_groups) for rows in (hit & of, of))
    return Drawn(hits / np.where(total > 0, total, np.nan), why_no_interval(patients.n_known, group[of]))


def _calibration(frames: Scored, group: np.ndarray, patients: Patients, fitted: Mapping) -> dict[str, Drawn]:
    found = {"ece": _error(frames, group, patients, calibrated(fitted, "none", frames.scores))}
    if CALIBRATION not in fitted_methods(fitted):
        reason = fitted.get(CALIBRATION, fitted).get("reason", "no calibration was fitted")
        return found | {"ece_calibrated": absent(len(patients.weights) - 1, reason)}
    return found | {"ece_calibrated": _error(frames, group, patients, calibrated(fitted, CALIBRATION, frames.scores))}


def _error(frames: Scored, group: np.ndarray, patients: Patients, probabilities: np.ndarray) -> Drawn:
    bins = equal_mass_bins(probabilities)
    _, statistics = calibration_statistics(
        frames.labels, probabilities, bins, group, np.ascontiguousarray(patients.weights.T)
    )
    return Drawn(statistics["ece"], why_no_interval(patients.n_known, group))
