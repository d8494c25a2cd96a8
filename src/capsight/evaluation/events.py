"""Events of a video: runs of frames that show the same thing, from 50,000 frames to the few that must be seen.

A run is a stretch of time in which a finding's smoothed probability reaches its threshold. A gap of a few frames is
bridged where both sides look alike, and a run is cut where the look changes, because there another thing begins. What
counts as another look is learned from the video itself: how far apart are frames that were picked at random?
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from capsight.evaluation.uncertainty import binary_entropy

COLUMNS = [
    "event",
    "finding",
    "first",
    "last",
    "best",
    "first_seconds",
    "last_seconds",
    "best_seconds",
    "n_frames",
    "peak",
    "suspicion",
    "uncertainty",
    "uncertain",
    "unlike",
    "visible",
]
AROUND = 3  # frames whose mean embedding is the look of a moment
PAIRS = 1000  # of random moments
BLOCK = 1024  # frames whose embeddings are in memory at a time
SURE = 2  # standard deviations between the probability and the threshold


class Looks(Protocol):
    """Embeddings (n, D) that may lie on a disk."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray: ...


def find_events(
    frames: pd.DataFrame,
    embeddings: Looks,
    findings: Sequence[str],
    thresholds: Mapping[str, float],
    *,
    bridge: int = 5,
    another: float = 0.9,
    unlike: float | None = None,
) -> pd.DataFrame:
    """Find the events of a video; returns a row for each (COLUMNS), the most suspicious first, numbered from 1.

    frames: `reading.parquet`, a row per frame in order, with `smoothed_F`. embeddings: (n, D) in the same order, NaN
    where unreadable. bridge: frames of the longest gap in an event. another: the share of random pairs of moments that
    are nearer to each other than two that show another thing; 1 cuts nowhere. unlike: the knn_distance above which a
    frame is unlike the training data.

    peak: the probability of the best frame, which is the highest. suspicion: the highest smoothed probability.
    uncertainty: the predictive entropy of the best frame, in nats. uncertain: whether the decision might as well have
    been the other, see `_uncertain`.
    """
    looks = Moments(embeddings)
    limit = looks.random_distance(another)
    events = []
    for finding in findings:
        smoothed = frames[f"smoothed_{finding}"].to_numpy(np.float64)
        spans = runs(smoothed >= thresholds[finding])
        spans = _bridged(spans, looks, bridge, limit)
        spans = [piece for span in spans for piece in _cut(span, looks, limit)]
        events += [event_row(frames, finding, *span, thresholds[finding], unlike) for span in spans]
    table = pd.DataFrame(events, columns=COLUMNS[1:])
    table = table.sort_values(["suspicion", "peak", "first"], ascending=[False, False, True], ignore_index=True)
    table.insert(0, "event", np.arange(1, len(table) + 1))
    return table


def number_frames(n_frames: int, events: pd.DataFrame) -> np.ndarray:
    """Return the event that each frame belongs to, (n_frames,), 0 for none; of several, the most suspicious."""
    numbers = np.zeros(n_frames, np.int32)
    for event in events.iloc[::-1].itertuples():
        numbers[event.first : event.last + 1] = event.event
    return numbers


def runs(above: np.ndarray) -> list[tuple[int, int]]:
    """Return the first and last frame of each stretch of True."""
    steps = np.diff(np.concatenate([[0], above.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(steps == 1).tolist(), (np.flatnonzero(steps == -1) - 1).tolist(), strict=True))


class Moments:
    """How a video looks at a moment: the mean embedding of AROUND frames, of length 1."""

    def __init__(self, embeddings: Looks):
        self.embeddings = embeddings

    def looks(self, starts: np.ndarray) -> np.ndarray:
        """Return the looks (k, D) of the AROUND frames that begin at each of `starts` (k,); NaN where unreadable."""
        rows = np.clip(starts[:, None] + np.arange(AROUND), 0, len(self.embeddings) - 1)
        values = np.asarray(self.embeddings[rows.ravel()], np.float32).reshape(*rows.shape, -1)
        known = np.isfinite(values).all(axis=2, keepdims=True)
        mean = np.where(known, values, 0).sum(axis=1)
        length = np.linalg.norm(mean, axis=1, keepdims=True)
        return np.divide(mean, length, out=np.full_like(mean, np.nan), where=length > 0)

    def distance(self, first: int, second: int) -> float:
        """Return how far apart the moments that begin at two frames look, 0 to 2; NaN where nothing is known."""
        a, b = self.looks(np.array([first, second]))
        return float(1 - a @ b)

    def random_distance(self, share: float) -> float:
        """Return the distance below which this share of random pairs of moments are; infinite for 1."""
        if share >= 1 or not len(self.embeddings):
            return np.inf
        starts = np.sort(np.random.default_rng(0).integers(0, len(self.embeddings), PAIRS))
        looks = self.looks(starts)
        distances = 1 - (looks * np.roll(looks, PAIRS // 2, axis=0)).sum(axis=1)
        return float(np.nanquantile(distances, share)) if np.isfinite(distances).any() else np.inf

    def changes(self, first: int, last: int) -> np.ndarray:
        """Return how much the look changes at each frame of a span: the moment before it against the one from it on."""
        parts = []
        for start in range(first, last + 1, BLOCK):
            at = np.arange(start, min(start + BLOCK, last + 1))
            looks = self.looks(np.arange(at[0] - AROUND, at[-1] + 1))
            parts.append(1 - (looks[:-AROUND] * looks[AROUND:]).sum(axis=1))
        return np.concatenate(parts)


def _bridged(spans: list[tuple[int, int]], looks: Moments, bridge: int, limit: float) -> list[tuple[int, int]]:
    """Join runs with a short gap between them where the end of one looks like the beginning of the next."""
    joined: list[tuple[int, int]] = []
    for first, last in spans:
        if joined and first - joined[-1][1] - 1 <= bridge:
            before, end = joined[-1]
            if not looks.distance(max(before, end - AROUND + 1), first) > limit:
                joined[-1] = before, last
                continue
        joined.append((first, last))
    return joined


def _cut(span: tuple[int, int], looks: Moments, limit: float) -> list[tuple[int, int]]:
    """Cut a run where its look changes by more than `limit`, and more than at the frames around."""
    first, last = span
    if last - first + 1 < 2 * AROUND or limit == np.inf:
        return [span]
    changes = np.nan_to_num(looks.changes(first, last))
    at = np.arange(AROUND, len(changes) - AROUND + 1)
    # Of equal changes the first one counts: where frames are missing, several are, and between them lies nothing.
    highest = [changes[place - AROUND : place + AROUND + 1].argmax() == AROUND for place in at]
    cuts = first + at[(changes[at] > limit) & highest]
    starts = [first, *cuts.tolist()]
    return list(zip(starts, [*(cut - 1 for cut in starts[1:]), last], strict=True))


def event_row(
    frames: pd.DataFrame, finding: str, first: int, last: int, threshold: float, unlike: float | None
) -> list[object]:
    """Describe a span of frames, of which one is readable, as an event of a finding: COLUMNS but the first."""
    span = frames.iloc[first : last + 1]
    probability = span[f"probability_{finding}"].to_numpy(np.float64)
    best = first + int(np.nanargmax(probability))
    row, peak = frames.iloc[best], float(np.nanmax(probability))
    spread = row.get(f"standard_deviation_{finding}")
    entropy = row.get(f"predictive_entropy_{finding}", binary_entropy(np.array(peak)))
    seconds = [float(frames["seconds"].iloc[number]) for number in (first, last, best)]
    return [
        finding,
        first,
        last,
        best,
        *seconds,
        last - first + 1,
        peak,
        float(np.nanmax(span[f"smoothed_{finding}"])),
        float(entropy),
        _uncertain(peak, threshold, spread),
        bool(unlike is not None and row["knn_distance"] > unlike),
        float(np.nanmean(span["visible"])),
    ]


def _uncertain(probability: float, threshold: float, spread: float | None) -> bool:
    """Tell whether a probability is within SURE standard deviations of the threshold.

    Where there were no passes: whether it is nearer to the threshold than to 0 or 1.
    """
    reach = SURE * spread if spread is not None else min(probability, 1 - probability)
    return bool(abs(probability - threshold) <= reach)
