"""Timing in turns, and what a larger size will cost, from the smaller ones."""

import math
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple


def in_turns(works: dict[str, Callable[[], object]], rounds: int) -> tuple[dict[str, float], dict[str, object]]:
    """Return the median seconds of each work, and its last result; they run in turns.

    So a machine that slows down for a while slows all of them, and their ratios hold.
    """
    seconds, results = {name: [] for name in works}, {}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.perf_counter()
            results[name] = work()
            seconds[name].append(time.perf_counter() - start)
    return {name: median(times) for name, times in seconds.items()}, results


def rounds_within(budget: float, seconds: float, least: int = 3, most: int = 15) -> int:
    """Return how many rounds of `seconds` fit into the budget, an odd number from `least` to `most`."""
    fitting = min(most, max(least, int(budget / max(seconds, 1e-9))))
    return fitting - 1 + fitting % 2


class Cost(NamedTuple):
    """What one work took at one size."""

    size: int
    seconds: float
    mib: float | None


def foresee(costs: list[Cost], size: int) -> Cost:
    """Return what a work will cost at a larger size, if it goes on growing as between its last two sizes."""
    last = costs[-1]
    if len(costs) < 2:
        return Cost(size, last.seconds, last.mib)

    def grown(before: float | None, now: float | None) -> float | None:
        if not before or not now:
            return now
        power = max(0.0, math.log(now / before) / math.log(last.size / costs[-2].size))
        return now * (size / last.size) ** power

    return Cost(size, grown(costs[-2].seconds, last.seconds), grown(costs[-2].mib, last.mib))
