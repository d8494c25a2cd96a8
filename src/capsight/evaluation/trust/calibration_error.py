"""How far probabilities are from the truth: ECE, Brier score with its parts, NLL, reliability diagram.

Frames are put into bins of equal size once; a resample of patients draws the frames, not the bins. All numbers
exist where all frames have one label, with the reason "one class only" beside an interval that knows nothing of
patients of the other kind.

A mean of distances is never negative, so noise pushes ECE, reliability and resolution upwards, in the data and
again in every resample: for well-calibrated probabilities the percentile interval lies wholly above the truth, and
debiasing mends half of it. So their intervals are the percentile interval joined with its mirror image about the
value (the basic interval of Davison and Hinkley 1997, Bootstrap Methods and their Application, 5.2).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.special import ndtr
from scipy.stats import rankdata

from capsight.evaluation.bootstrap import Interval, Patients, interval, nothing, why_no_interval
from capsight.evaluation.predictions import scored_frames, why_no_value
from capsight.evaluation.trust.calibration import calibrated, fitted_methods

BINS = 15
STATISTICS = ("ece", "ece_debiased", "brier", "reliability", "resolution", "uncertainty", "nll")
MIRRORED = ("ece", "ece_debiased", "reliability", "resolution")
CERTAIN = np.finfo(float).eps  # the NLL takes probabilities to be at least this far from 0 and 1, as scikit-learn's
ONE_CLASS = "one class only"


def measure_calibration(table: pd.DataFrame, patients: Patients, finding: str, fitted: Mapping) -> dict:
    """Measure the plain sigmoid ("none") and every fitted method on the frames where the finding is known.

    `fitted` is what `fit_calibration` returned for the finding. Returns per method the STATISTICS and "bins", each
    with the number of frames, the mean probability and the observed share. The debiased ECE needs an interval's
    patients: without them the noise that it subtracts is unknown. {"reason"} where the table has no logits.
    """
    if f"logit_{finding}" not in table:
        return {"reason": "no logits"}
    methods = ["none", *fitted_methods(fitted)]
    frames = scored_frames(table, finding)
    impossible = why_no_value(frames)
    if impossible and impossible != ONE_CLASS:
        return {method: dict.fromkeys(STATISTICS, nothing(impossible)) | {"bins": []} for method in methods}
    group = patients.group[frames.rows]
    reason = why_no_interval(patients.n_known, group)
    drawn = np.ascontiguousarray((patients.weights[:1] if reason else patients.weights).T)
    blocks = {}
    for method in methods:
        probabilities = calibrated(fitted, method, frames.scores)
        bins = equal_mass_bins(probabilities)
        binned, statistics = calibration_statistics(frames.labels, probabilities, bins, group, drawn)
        block = {name: _number(name, statistics[name], reason) for name in STATISTICS}
        if reason:
            block["ece_debiased"] = nothing(reason)
        elif impossible:
            block = {name: number | {"reason": impossible} for name, number in block.items()}
        blocks[method] = block | {"bins": _diagram(*binned, bins, group, patients.n_known)}
    return blocks


def equal_mass_bins(probabilities: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Number the bin of each frame (n,), 0 upwards: by the rank of its probability, equal ones together.

    Without ties the bins differ by one frame at most. Frames with equal probability go where the middle of them
    belongs, so there may be fewer bins.
    """
    share = (rankdata(probabilities) - 0.5) / len(probabilities)
    return np.unique((bins * share).astype(int), return_inverse=True)[1]


def calibration_statistics(
    labels: np.ndarray, probabilities: np.ndarray, bins: np.ndarray, group: np.ndarray, drawn: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], dict[str, np.ndarray]]:
    """Return frames, mean probability and observed share per bin (bins, R) each, and the STATISTICS (R,) each.

    labels (n,) bool, probabilities (n,), bins and group (n,) int, drawn (groups, R) whole numbers. NaN where a
    weighting leaves no frame. Brier = reliability - resolution + uncertainty exactly: resolution holds the two
    within-bin terms (Murphy 1973; Stephenson, Coelho and Jolliffe 2008, "Two extra components in the Brier score
    decomposition", equation 13).
    """
    n, predicted, observed, variance = _per_bin(labels, probabilities, bins, group, drawn)
    total = n.sum(axis=0)
    total = np.where(total > 0, total, np.nan)
    share, gap = n / total, np.nan_to_num(observed - predicted)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(group, values, minlength=len(drawn)) @ drawn / total

    nearest = np.clip(np.where(labels, probabilities, 1 - probabilities), CERTAIN, 1 - CERTAIN)
    brier, base = mean((probabilities - labels) ** 2), mean(labels.astype(float))
    reliability, uncertainty = (share * gap**2).sum(axis=0), base * (1 - base)
    ece = (share * np.abs(gap)).sum(axis=0)
    noisy = (share * folded_normal_mean(gap, np.sqrt(variance))).sum(axis=0)
    statistics = {
        "ece": ece,
        "ece_debiased": np.maximum(2 * ece - noisy, 0),
        "brier": brier,
        "reliability": reliability,
        "resolution": reliability + uncertainty - brier,
        "uncertainty": uncertainty,
        "nll": mean(-np.log(nearest)),
    }
    return (n, predicted, observed), statistics


def folded_normal_mean(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the mean of |X| for X normal (Leone, Nelson and Nottingham 1961, "The folded normal distribution").

    The plug-in ECE minus its bias is 2 ECE - the mean of sum over bins of share |X|, X normal around the gap of the
    bin (Kumar, Liang and Ma 2019, "Verified uncertainty calibration", whose library draws X instead).
    """
    ratio = mean / np.maximum(deviation, np.finfo(float).tiny ** 0.5)
    density = np.exp(-(np.minimum(np.abs(ratio), 40) ** 2) / 2)
    return deviation * np.sqrt(2 / np.pi) * density + mean * (1 - 2 * ndtr(-ratio))


def _per_bin(
    labels: np.ndarray, probabilities: np.ndarray, bins: np.ndarray, group: np.ndarray, drawn: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return frames, mean probability, observed share, and the variance of their difference, (bins, R) each.

    The variance is that of a ratio of sums over patients (Cochran 1977, Sampling Techniques, 2.30): Kumar et al.
    have independent frames, and would subtract too little here. Shares are NaN in a bin that is not drawn.
    """
    n_bins = int(bins.max()) + 1
    cells, cell = np.unique(bins * len(drawn) + group, return_inverse=True)
    rows, columns = np.divmod(cells, len(drawn))
    n, p, y = (np.bincount(cell, values) for values in (np.ones(len(bins)), probabilities, labels))
    excess = y - p
    sums = np.concatenate([n, p, y, excess**2, excess * n, n**2])
    rows = (rows + n_bins * np.arange(6)[:, None]).ravel()
    matrix = sparse.coo_array((sums, (rows, np.tile(columns, 6))), shape=(6 * n_bins, len(drawn))).tocsr()
    n, p, y, squares, products, sizes = (matrix @ drawn).reshape(6, n_bins, -1)
    frames = np.where(n > 0, n, np.nan)
    gap = (y - p) / frames
    variance = np.nan_to_num((squares - 2 * gap * products + gap**2 * sizes) / frames**2)
    return n, p / frames, y / frames, np.maximum(variance, 0)


def _number(name: str, values: np.ndarray, reason: str | None) -> Interval:
    """Turn a statistic into its value and interval; joined with its mirror image where noise pushes it upwards."""
    number = interval(values, reason)
    if name not in MIRRORED or number["low"] is None:
        return number
    value, low, high = number["value"], number["low"], number["high"]
    lowest = min(low, 2 * value - high)
    if name != "resolution":  # which may be negative
        lowest = max(lowest, 0.0)
    return number | {"low": lowest, "high": min(max(high, 2 * value - low), 1.0)}


def _diagram(
    n: np.ndarray, predicted: np.ndarray, observed: np.ndarray, bins: np.ndarray, group: np.ndarray, n_known: int
) -> list[dict]:
    """Return the bins of a reliability diagram; no interval where all frames of a bin have one label.

    Drawing such a bin again always gives 0 or 1, which would look like certainty.
    """
    rows = []
    for index, share in enumerate(observed):
        reason = why_no_interval(n_known, group[bins == index]) or (ONE_CLASS if share[0] in (0, 1) else None)
        point = {"n_frames": int(n[index, 0]), "predicted": float(predicted[index, 0])}
        rows.append(point | {"observed": interval(share, reason)})
    return rows
