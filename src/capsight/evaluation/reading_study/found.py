"""Which lesions are found, and what is shown in vain, by those who look at so many frames of a video.

A lesion is found when a frame is shown that lies within its span. Spans (m, 2) int hold the first and last position of
each, inclusive; one without a frame (last < first) is never found. Budgets (b,) int are numbers of frames shown.
"""

import numpy as np

STARTS = 100  # where evenly spaced frames may begin, as parts of their distance


def found_in_order(order: np.ndarray, spans: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """Which lesions the first frames of an order show: (1, m, b) bool."""
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(len(order))
    first = [rank[low : high + 1].min(initial=len(order)) for low, high in spans]
    needed = np.where(np.array(first, dtype=int) < len(order), np.array(first, dtype=int) + 1, np.iinfo(int).max)
    return (needed[:, None] <= budgets)[None]


def found_evenly(n_frames: int, spans: np.ndarray, budgets: np.ndarray, starts: int = STARTS) -> np.ndarray:
    """Which lesions evenly spaced frames show: (starts, m, b) bool.

    Of N frames out of n, those at the positions floor((i + j / starts) n / N), i = 0 … N - 1, for each j < starts. So
    luck does not decide: what is found is averaged over where the frames begin. In whole numbers, thus exact.
    """
    n = np.minimum(budgets, n_frames).astype(np.int64)
    j = np.arange(starts, dtype=np.int64)[:, None, None]
    low, high = (spans[:, side].astype(np.int64)[None, :, None] for side in (0, 1))
    # The first i with (i starts + j) n_frames >= low N starts; it is a hit where its position is before high + 1.
    i = np.maximum(-((j * n_frames - low * n * starts) // (starts * n_frames)), 0)
    return (i < n) & ((i * starts + j) * n_frames < (high + 1) * n * starts) & (high >= low)


def false_in_order(order: np.ndarray, clear: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """How many of the first frames of an order show no lesion: (b,). clear (n,) bool: frames known to show none."""
    counted = np.concatenate([[0], np.cumsum(clear[order])])
    return counted[np.minimum(budgets, len(order))].astype(float)


def false_evenly(clear: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """How many of so many evenly spaced frames show no lesion, over all places where they may begin: (b,)."""
    return np.minimum(budgets, len(clear)) * (clear.mean() if len(clear) else 0.0)
