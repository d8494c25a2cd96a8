"""One statistic under the data and under every resample, so that means, differences and ratios keep their intervals.

Whatever shares patients or trainings is measured under the same draws of them: a difference is then paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from capsight.evaluation.bootstrap import Interval, interval, nothing


@dataclass(frozen=True)
class Drawn:
    """A statistic of the data itself, first, and of every resample; the reason says what it lacks."""

    values: np.ndarray  # (1 + resamples,), NaN where it does not exist
    reason: str | None = None  # why there is no interval, or, where values[0] is NaN, no value

    @property
    def value(self) -> float | None:
        return None if np.isnan(self.values[0]) else float(self.values[0])

    def interval(self) -> Interval:
        """Return {"value", "low", "high"}, and the reason where one of them is null."""
        return nothing(self.reason or "one class only") if self.value is None else interval(self.values, self.reason)

    def __sub__(self, other: Self) -> "Drawn":
        return Drawn(self.values - other.values, self.reason or other.reason)

    def over(self, other: Self) -> "Drawn":
        """Return the ratio to a statistic that is not 0."""
        return Drawn(self.values / other.values, self.reason or other.reason)


def absent(resamples: int, reason: str) -> Drawn:
    """Return a statistic that the data cannot support."""
    return Drawn(np.full(1 + resamples, np.nan), reason)


def mean(parts: Sequence[Drawn], weights: np.ndarray | None = None) -> Drawn:
    """Average statistics, such as over findings; weights (1 + resamples, parts) differ from resample to resample."""
    values = np.stack([part.values for part in parts], axis=1)
    averaged = values.mean(axis=1) if weights is None else (values * weights).sum(axis=1)
    return Drawn(averaged, next((part.reason for part in parts if part.reason), None))


def draw_seeds(n: int, resamples: int, seed: int) -> np.ndarray:
    """Return the share that each of n trainings, which differ in their seed, has in each resample (1 + resamples, n).

    A resample draws n - 1 of the n with replacement: the variance of the mean of n of them is then right for every n,
    where n of n would give (n - 1) / n of it, a third too little for three (Rao and Wu 1988, Resampling inference with
    complex survey data). Few trainings say little about others all the same: where they differ more than patients do,
    an interval from three of them holds less than 95 %. With one training nothing is drawn.
    """
    drawn = max(1, n - 1)
    counts = np.random.default_rng(seed).multinomial(drawn, np.full(n, 1 / n), size=resamples)
    return np.concatenate([np.full((1, n), 1 / n), counts / drawn])
