"""Further frames to look at beside the events: the most suspicious that lie away from all that was shown.

A lesion may be missed because it stays below the threshold, and because a long event shows one frame where two things
are. Both leave a peak of the probability.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import pandas as pd

from capsight.evaluation.events import COLUMNS, event_row

AWAY = 3  # frames to either side of one that was shown which it stands for


def peaks(probabilities: np.ndarray, shown: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield frame after frame, each with its finding, by their probabilities (n, F); none is near an earlier one.

    The findings take turns, each with the most probable frame that is left to it: a common finding keeps no rare one
    away. shown: frames that count as earlier ones. Of equals the first comes first; a frame with NaN never comes.
    """
    free = np.isfinite(probabilities).all(axis=1)

    def take(at: int) -> None:
        free[max(0, at - AWAY) : at + AWAY + 1] = False

    def left(column: np.ndarray) -> Iterator[int]:
        return (int(at) for at in np.argsort(-column, kind="stable") if free[at])

    for at in shown:
        take(at)
    turns = deque((finding, left(column)) for finding, column in enumerate(probabilities.T))
    while turns:
        finding, frames = turns.popleft()
        if (at := next(frames, None)) is not None:
            take(at)
            yield at, finding
            turns.append((finding, frames))


def finding_probabilities(frames: pd.DataFrame, findings: Sequence[str]) -> np.ndarray:
    """The probability of each finding in each frame: (n, F)."""
    return frames[[f"probability_{finding}" for finding in findings]].to_numpy(dtype=np.float64)


def find_moments(
    frames: pd.DataFrame,
    events: pd.DataFrame,
    findings: Sequence[str],
    thresholds: Mapping[str, float],
    number: int,
    *,
    unlike: float | None = None,
) -> pd.DataFrame:
    """Return the first `number` peaks beside the best frames of the events, as events of one frame.

    Their columns are those of `find_events`, and so are the other arguments. Their numbers go on where those of the
    events end.
    """
    found = islice(peaks(finding_probabilities(frames, findings), events["best"].to_numpy(dtype=int)), number)
    named = [(at, findings[finding]) for at, finding in found]
    rows = [event_row(frames, finding, at, at, thresholds[finding], unlike) for at, finding in named]
    table = pd.DataFrame(rows, columns=COLUMNS[1:])
    table.insert(0, "event", len(events) + 1 + np.arange(len(table)))
    return table
