"""In which order a physician is shown the frames of a video that was read.

Of the ways here, an order is an array of frame positions (n,) int, the first to be shown first: every frame once. The
fourth way, frames that are evenly spaced, is not an order: other frames for every number of them (see `found`).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from capsight.evaluation.moments import finding_probabilities, peaks


def by_probability(frames: pd.DataFrame, findings: Sequence[str]) -> np.ndarray:
    """The most suspicious frame first: by the largest of its findings' probabilities; among equals the earliest."""
    return np.argsort(-finding_probabilities(frames, findings).max(axis=1), kind="stable")


def by_events(frames: pd.DataFrame, findings: Sequence[str], events: pd.DataFrame) -> np.ndarray:
    """The best frame of each event, in the order of suspicion; then the peaks beside them; then all others, spread.

    events: in their order; `best` is the position of a frame. A frame that is the best of two events is shown once.
    """
    best = events["best"].to_numpy(dtype=int)
    further = np.array([at for at, _ in peaks(finding_probabilities(frames, findings), best)], dtype=int)
    return pd.unique(np.concatenate([best, further, spread(len(frames))]))


def spread(n_frames: int) -> np.ndarray:
    """All frames, so that the first of them, however many, lie over the whole video: each round halves the gaps.

    The binary digits of 0, 1, 2, … are reversed (van der Corput 1935, Verteilungsfunktionen).
    """
    bits = max(n_frames - 1, 0).bit_length()
    numbers, reversed_ = np.arange(1 << bits), np.zeros(1 << bits, dtype=int)
    for bit in range(bits):
        reversed_ |= (numbers >> bit & 1) << (bits - 1 - bit)
    return reversed_[reversed_ < n_frames]


def by_frame(frames: pd.DataFrame, findings: Sequence[str], thresholds: dict[str, float]) -> np.ndarray:
    """Frame by frame, without events: all above the threshold of a finding in the order of time, then the others."""
    return np.argsort(~flagged(frames, findings, thresholds), kind="stable")


def flagged(frames: pd.DataFrame, findings: Sequence[str], thresholds: dict[str, float]) -> np.ndarray:
    """Which frames are at or above the threshold of one of the findings: (n,) bool."""
    above = [frames[f"probability_{finding}"].to_numpy(dtype=float) >= thresholds[finding] for finding in findings]
    return np.any(above, axis=0)
