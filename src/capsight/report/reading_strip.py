"""The whole video in a narrow strip: 50,000 frames in some hundred bins, in which no frame is lost."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

BINS = 1200  # about the pixels of a strip; a bin tells the highest of its frames, so that three frames stay visible


def strip(frames: pd.DataFrame, findings: Sequence[str], bins: int = BINS) -> dict[str, Any]:
    """Return {"starts", "findings", "visible", "unreadable"}: the first frame of each bin, and lists over the bins.

    findings: the highest probability in time (`smoothed_F`, else `probability_F`) in percent, a list per finding;
    visible: the mean share of mucosa that can be judged, in percent; both None where no frame could be read.
    unreadable: the number of frames that could not.
    """
    n_frames = len(frames)
    starts = np.arange(min(bins, n_frames)) * n_frames // max(1, min(bins, n_frames))
    readable = _column(frames, "readable", True).astype(bool)
    probabilities = {}
    for finding in findings:
        smoothed = f"smoothed_{finding}"
        probabilities[finding] = _column(frames, smoothed if smoothed in frames else f"probability_{finding}", np.nan)
    visible = _column(frames, "visible", np.nan).astype(float)
    known = np.isfinite(visible)
    if not n_frames:
        return {"starts": [], "findings": [[] for _ in findings], "visible": [], "unreadable": []}
    with np.errstate(invalid="ignore"):  # a bin without a frame that could be read
        mean = np.add.reduceat(np.where(known, visible, 0), starts) / np.add.reduceat(known.astype(float), starts)
    return {
        "starts": starts.tolist(),
        "findings": [_percent(np.fmax.reduceat(values.astype(float), starts)) for values in probabilities.values()],
        "visible": _percent(mean),
        "unreadable": np.add.reduceat((~readable).astype(int), starts).tolist(),
    }


def _column(frames: pd.DataFrame, name: str, otherwise: Any) -> np.ndarray:
    return frames[name].to_numpy() if name in frames else np.full(len(frames), otherwise)


def _percent(values: np.ndarray) -> list[int | None]:
    return [round(100 * float(value)) if np.isfinite(value) else None for value in values]
