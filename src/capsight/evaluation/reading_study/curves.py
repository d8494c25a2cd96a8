"""A share over the number of frames shown, under the data and under every resample of patients."""

from dataclasses import dataclass

import numpy as np

from capsight.evaluation.bootstrap import interval
from capsight.evaluation.shift.drawn import Drawn

NONE = "no lesion"
NEVER = "not reached"


@dataclass(frozen=True)
class Curve:
    """A statistic at each of b numbers of frames; the reason says why there is no interval."""

    values: np.ndarray  # (1 + resamples, b), the data first; NaN where there is no lesion
    reason: str | None

    def bands(self) -> dict[str, list | str]:
        """Return {"value", "low", "high"} as lists, null where they do not exist, and the reason for that."""
        if np.isnan(self.values[0]).any():
            return dict.fromkeys(("value", "low", "high")) | {"reason": NONE}
        each = [interval(column, self.reason) for column in self.values.T]
        lists = {name: [one[name] for one in each] for name in ("value", "low", "high")}
        reason = next((one["reason"] for one in each if "reason" in one), None)
        return lists | ({"reason": reason} if reason else {})

    def point(self, index: int) -> Drawn:
        """Return the statistic at one number of frames."""
        return Drawn(self.values[:, index], NONE if np.isnan(self.values[0, index]) else self.reason)

    def at(self, frames: Drawn, budgets: np.ndarray) -> Drawn:
        """Return the statistic at a number of frames that differs between resamples (one of the budgets each)."""
        known = np.isfinite(frames.values)
        index = np.searchsorted(budgets, np.where(known, frames.values, budgets[0]))
        values = self.values[np.arange(len(self.values)), index]
        return Drawn(np.where(known, values, np.nan), frames.reason or self.reason)


def pooled(weights: np.ndarray, group: np.ndarray, hits: np.ndarray, totals: np.ndarray, reason: str | None) -> Curve:
    """Pool hits (m, b) out of totals (m,), those of patients group (m,), over the patients of each resample.

    weights (1 + resamples, patients) as in `bootstrap.Patients`.
    """
    by_patient = np.zeros((weights.shape[1], hits.shape[1]))
    np.add.at(by_patient, group, hits)
    total = weights @ np.bincount(group, weights=totals, minlength=weights.shape[1])
    return Curve((weights @ by_patient) / np.where(total > 0, total, np.nan)[:, None], reason)


def first_at_least(curve: Curve, budgets: np.ndarray, target: float) -> Drawn:
    """The smallest number of frames at which the curve reaches the target."""
    reached = curve.values >= target - 1e-9
    frames = np.where(reached.any(axis=1), budgets[reached.argmax(axis=1)].astype(float), np.nan)
    if np.isnan(curve.values[0]).any():
        return Drawn(frames, NONE)
    return Drawn(frames, curve.reason if np.isfinite(frames[0]) else NEVER)
