"""Leaving the most uncertain frames to the physician: what remains wrong, and what the decisions on the rest are worth.

A decision is wrong where yes or no at the operating point is not the label. The risk at a coverage is the share of
wrong decisions among that share of the frames, the most certain ones; AURC is its mean over all coverages, and its
excess is over the best order that the same decisions could have (Geifman and El-Yaniv 2017, Selective classification
for deep neural networks; Geifman, Uziel and El-Yaniv 2019, Bias-reduced uncertainty estimation for deep neural
classifiers). Frames of equal uncertainty count as in the mean over their orders, so an uncertainty that is the same
for all frames has the same risk at every coverage.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse

from capsight.evaluation.bootstrap import Interval, Patients, interval, nothing, why_no_interval
from capsight.evaluation.predictions import Scored, scored_frames, why_no_value
from capsight.evaluation.statistics import CELLS
from capsight.evaluation.trust.conformal import why_no_logits

COVERAGES = tuple(step / 20 for step in range(1, 21))
REFERRED = (0.0, 0.05, 0.10, 0.20)
SPECIFICITY = "0.90"  # of the sensitivity at a threshold that is chosen anew
ROUNDING = 1e-6  # of a number of frames
CACHED = 1 << 17  # frames × resamples at a time: 512 KB an array of int32, which stays in the cache


def measure_selective(
    table: pd.DataFrame,
    patients: Patients,
    finding: str,
    threshold: float | None,
    target: str,
    referred: Sequence[float] = REFERRED,
) -> dict:
    """Measure every uncertainty that the table holds: "selective" of metrics.json for one finding.

    threshold: the logit from which to say yes; None where there is no such operating point. target: what it was chosen
    for, as in "specificity 0.90". referred: shares of the frames to leave to the physician. {"reason"} where nothing
    can be decided.
    """
    frames = scored_frames(table, finding)
    reason = why_no_logits(table, finding, frames) or (f"no threshold for {target}" if threshold is None else None)
    if reason:
        return {"reason": reason}
    scores = {}
    for name, uncertainty in uncertainties(table, finding, frames, threshold).items():
        if not np.isfinite(uncertainty).all():
            scores[name] = {"reason": "NaN scores"}
            continue
        scores[name] = _risk(frames, threshold, uncertainty, patients)
        scores[name]["referred"] = _refer(frames, threshold, uncertainty, referred, patients)
    return {"threshold": threshold, "target": target, "scores": scores}


def uncertainties(table: pd.DataFrame, finding: str, frames: Scored, threshold: float) -> dict[str, np.ndarray]:
    """Return every uncertainty (n,), higher is less certain, of which the table has the column."""
    columns = {
        "entropy": f"predictive_entropy_{finding}",
        "mutual_information": f"mutual_information_{finding}",
        "embedding_distance": "knn_distance",
    }
    # Only the order counts: that of 1 - max(p, 1 - p), which rounds to 0 where p is close to 0 or 1.
    found = {"max_probability": -np.abs(frames.scores)}
    for name, column in columns.items():
        if column in table:
            found[name] = table[column].iloc[frames.rows].to_numpy(dtype=float, na_value=np.nan)
    # A rare finding is decided far below p = 0.5, where the others are sure of every frame that is just missed.
    found["threshold_distance"] = -np.abs(frames.scores - threshold)
    return found


def _refer(
    frames: Scored, threshold: float, uncertainty: np.ndarray, shares: Sequence[float], patients: Patients
) -> dict[str, dict]:
    """Measure the frames that stay, per share that goes."""
    group = patients.group[frames.rows]
    statistics = referral_statistics(frames, threshold, uncertainty, group, patients.weights, shares)
    cuts = _cuts(uncertainty, group, patients.weights[:1], shares)[0]
    return {
        f"{share:.2f}": _rest(frames, frames.scores >= threshold, uncertainty <= cut, values, group, patients.n_known)
        for share, cut, values in zip(shares, cuts, statistics, strict=True)
    }


def _rest(
    frames: Scored, said: np.ndarray, stay: np.ndarray, statistics: np.ndarray, group: np.ndarray, n_known: int
) -> dict:
    positive, negative = stay & frames.labels, stay & ~frames.labels

    def number(values: np.ndarray, impossible: str, *of: np.ndarray) -> Interval:
        if not all(part.any() for part in of):
            return nothing(impossible)
        return interval(values, why_no_interval(n_known, *(group[part] for part in of)))

    sensitivity, specificity, chosen_anew = statistics
    return {
        "n_frames": int(stay.sum()),
        "n_positive": int(positive.sum()),
        "sensitivity": number(sensitivity, "no positive frames", positive),
        "specificity": number(specificity, "no negative frames", negative),
        "sensitivity_at_specificity": {SPECIFICITY: number(chosen_anew, "one class only", positive, negative)},
        "missed": int((positive & ~said).sum()),
        "false_alarms": int((negative & said).sum()),
    }


def referral_statistics(
    frames: Scored,
    threshold: float,
    uncertainty: np.ndarray,
    group: np.ndarray,
    weights: np.ndarray,
    shares: Sequence[float],
) -> np.ndarray:
    """Return sensitivity, specificity and sensitivity at SPECIFICITY of the frames that stay, (len(shares), 3, R).

    At most a share of the frames goes, the most uncertain ones; equal ones stay together. It is that share of every
    resample: with the cut of the frames at hand it would be another share of other patients, as these differ in how
    many of their frames are uncertain, and the intervals were far too narrow. The last statistic is the largest
    sensitivity of any threshold that reaches the specificity on the frames that stay. NaN where none of a kind stays.
    """
    descending = np.argsort(-frames.scores, kind="stable")
    positive, negative = (descending[of[descending]] for of in (frames.labels, ~frames.labels))
    n_found, n_alarms = (int((frames.scores[of] >= threshold).sum()) for of in (positive, negative))
    # Positive frames above each negative one, and above none of them.
    above = np.append(np.searchsorted(-frames.scores[positive], -frames.scores[negative]), len(positive))

    step = max(1, CACHED // len(frames.labels))
    parts = []
    for start in range(0, len(weights), step):
        drawn = weights[start : start + step].astype(np.int32)
        kinds = [(drawn[:, group[of]], uncertainty[of]) for of in (positive, negative)]
        for cut in _cuts(uncertainty, group, drawn, shares).T[:, :, None]:
            true, false = (_running(times * (unsure <= cut)) for times, unsure in kinds)
            n_positive, n_negative = (np.where(sums[:, -1] > 0, sums[:, -1], np.nan) for sums in (true, false))
            allowed = np.floor(n_negative * (1 - float(SPECIFICITY)) + ROUNDING)
            passed = (false[:, 1:] <= allowed[:, None]).sum(axis=1)
            chosen_anew = true[np.arange(len(true)), above[passed]] / n_positive
            chosen_anew[np.isnan(n_negative)] = np.nan
            parts.append((true[:, n_found] / n_positive, 1 - false[:, n_alarms] / n_negative, chosen_anew))
    return np.stack([np.concatenate(parts[i :: len(shares)], axis=1) for i in range(len(shares))])


def _cuts(uncertainty: np.ndarray, group: np.ndarray, weights: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    """Return the uncertainty up to which frames stay (R, len(shares)): the lowest that leaves enough of them."""
    order = np.argsort(uncertainty)
    kept = np.cumsum(weights[:, group[order]], axis=1, dtype=weights.dtype)
    stay = kept[:, -1:] - np.floor(kept[:, -1:] * np.asarray(shares) + ROUNDING)
    last = [np.searchsorted(row, enough) for row, enough in zip(kept, stay, strict=True)]
    return uncertainty[order[np.array(last)]]


def _running(counts: np.ndarray) -> np.ndarray:
    """Sum the first 0, 1, … and all of the columns."""
    sums = np.zeros((len(counts), counts.shape[1] + 1), counts.dtype)
    np.cumsum(counts, axis=1, dtype=counts.dtype, out=sums[:, 1:])
    return sums


def _risk(frames: Scored, threshold: float, uncertainty: np.ndarray, patients: Patients) -> dict:
    """Measure AURC, its excess and the curve; all exist where the frames have one label, and say so."""
    group = patients.group[frames.rows]
    reason = why_no_interval(patients.n_known, group)
    weights = patients.weights[:1] if reason else patients.weights
    wrong = (frames.scores >= threshold) != frames.labels
    aurc, best, risk = risk_statistics(wrong, uncertainty, group, weights, COVERAGES)
    remark = why_no_value(frames) if not reason else None
    remark = {"reason": remark} if remark else {}
    curve = [interval(values, reason) for values in risk.T]
    return {
        "aurc": interval(aurc, reason) | remark,
        "excess_aurc": interval(np.maximum(aurc - best, 0), reason) | remark,
        "curve": {
            "coverage": list(COVERAGES),
            "risk": [point["value"] for point in curve],
            "low": [point["low"] for point in curve],
            "high": [point["high"] for point in curve],
        },
    }


def risk_statistics(
    wrong: np.ndarray, uncertainty: np.ndarray, group: np.ndarray, weights: np.ndarray, coverages: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return AURC (R,), that of the best order (R,) and the risk at each coverage (R, len(coverages)).

    wrong (n,) bool, uncertainty (n,) finite, group (n,) int, weights (R, groups) whole numbers. A coverage keeps all
    but the whole frames that lie outside it. NaN where a weighting leaves no frame.
    """
    # Between the uncertainties of two wrong frames nothing changes: bins 1, 3, … are at these, 0, 2, … between them.
    levels = np.unique(uncertainty[wrong])
    place = np.searchsorted(levels, uncertainty) + np.searchsorted(levels, uncertainty, side="right")
    shape = (2 * len(levels) + 1, weights.shape[1])
    frames, errors = (
        sparse.coo_array((np.ones(len(rows)), (place[rows], group[rows])), shape=shape).tocsr()
        for rows in (np.arange(len(wrong)), np.flatnonzero(wrong))
    )
    step = max(1, CELLS // shape[0])
    parts = []
    for start in range(0, len(weights), step):
        drawn = np.ascontiguousarray(weights[start : start + step].T)
        parts.append(_risk_from_counts(frames @ drawn, errors @ drawn, coverages))
    aurc, best, risk = (np.concatenate(part) for part in zip(*parts, strict=True))
    return aurc, best, risk


def _risk_from_counts(
    frames: np.ndarray, errors: np.ndarray, coverages: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Statistics from the frames and errors that each bin adds, (bins, R) each, the most certain first.

    The k-th of n frames is among the first k, the first k + 1, … and all n: where wrong, it adds
    (1/k + … + 1/n) / n = (H(n) - H(k - 1)) / n to the AURC, H being the harmonic numbers.
    """
    kept, wrong = np.cumsum(frames, axis=0).astype(int), np.cumsum(errors, axis=0).astype(int)
    n, n_wrong = kept[-1], wrong[-1]
    some = np.where(n > 0, n, np.nan)
    harmonic = np.concatenate([[0], np.cumsum(1 / np.arange(1, n.max() + 1))])

    total = kept * (harmonic[kept] - 1)  # H(0) + … + H(k - 1)
    mean = np.diff(total, axis=0)[::2] / np.maximum(frames[1::2], 1)  # of H(k - 1) over the frames of a bin
    aurc = np.einsum("br,br->r", errors[1::2], harmonic[n] - mean) / some
    right = n - n_wrong
    best = (n_wrong - right * (harmonic[n] - harmonic[right])) / some

    stay = n - np.floor(np.outer(1 - np.asarray(coverages), n) + ROUNDING)  # (coverages, R)
    ranks, sums = (np.vstack([np.zeros_like(n), values[:-1]]).T for values in (kept, wrong))
    among = np.stack([np.interp(at, x, y) for at, x, y in zip(stay.T, ranks, sums, strict=True)])
    return aurc, best, among / np.where(n > 0, stay, np.nan).T
