"""Probabilities along time, smoothed: a finding that is there stays for some frames, a flicker does not.

Whatever the method and its width, what holds for SHORTEST frames keeps its level: a capsule may show a lesion in
three frames only, and a wider median or mean would take it away.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d, grey_opening, median_filter

from capsight.errors import UserError

METHODS = ("none", "median", "gaussian")
SHORTEST = 3  # frames


def smooth(probabilities: np.ndarray, method: str = "gaussian", width: float = 1.0) -> np.ndarray:
    """Smooth the probabilities (n,) of one finding along time; NaN (unreadable frames) stays, and hides nothing.

    method: none; median over 2 * width + 1 frames; gaussian, of standard deviation `width` frames. Raises UserError for
    another method or width.
    """
    if method not in METHODS:
        raise UserError(f"smoothing={method!r} is not known; choose among {', '.join(METHODS)}.")
    if not isinstance(width, int | float) or isinstance(width, bool) or not 0 < width < 1000:
        raise UserError(f"width={width} is not possible; it is a number of frames above 0 and below 1000.")
    probabilities = np.asarray(probabilities, np.float64)
    known = np.isfinite(probabilities)
    if method == "none" or not known.any():
        return probabilities.copy()
    # Over an unreadable frame a straight line, so that its neighbours are smoothed as if it had not been there.
    filled = np.interp(np.arange(len(probabilities)), np.flatnonzero(known), probabilities[known])
    if method == "median":
        smoothed = median_filter(filled, size=2 * max(1, round(width)) + 1, mode="nearest")
    else:
        smoothed = gaussian_filter1d(filled, width, mode="nearest")
    lasting = grey_opening(filled, size=SHORTEST, mode="nearest")
    return np.where(known, np.maximum(smoothed, lasting), np.nan)
