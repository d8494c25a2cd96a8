"""Where a finding really is: its mask or its box, in the pixels that the network sees."""

from pathlib import Path

import numpy as np
import pandas as pd

from capsight.data.frames import read_frame
from capsight.data.manifest import BOX, OPTIONAL, REQUIRED, resolve
from capsight.data.transforms import evaluation_transform
from capsight.data.view import field_of_view
from capsight.data.vocabulary import ancestors
from capsight.errors import UserError

NO_TRUTH = "no mask and no box"
LOSSY = (".jpg", ".jpeg", ".webp")
NOISE = 32  # of 255; JPEG makes black pixels grey, most beside the white ones


def true_region(
    row: pd.Series, root: str | Path, finding: str, size: int
) -> tuple[np.ndarray, None] | tuple[None, str]:
    """Return the region of a finding that is in the frame, bool (size, size), and None; or None and why there is none.

    row: a manifest's row. A mask says more than a box and goes first. The region goes through the evaluation
    transform as the frame does, and ends where the camera's view ends, because the network gets black beyond it.
    A mask without `{finding}` in its name, or a box, belongs to the one finding that is in the frame; with several,
    nobody knows to which. NO_TRUTH stands for frames of which no region was given, any other text for a problem.
    """
    if not _present(row, finding):
        return None, f"the manifest does not say that {finding} is in this frame"
    try:
        return _in_network_pixels(row, root, finding, size), None
    except (UserError, _NoRegionError) as problem:
        return None, str(problem)


class _NoRegionError(Exception):
    """The region of a finding cannot be had; the message says why."""


def _in_network_pixels(row: pd.Series, root: str | Path, finding: str, size: int) -> np.ndarray:
    mask, box = row.get("mask"), [row.get(side) for side in BOX]
    masked, boxed = pd.notna(mask), any(pd.notna(side) for side in box)
    if not (masked or boxed):
        raise _NoRegionError(NO_TRUTH)
    if not (masked and "{finding}" in mask) and (others := _unrelated(row, finding)):
        what = "mask" if masked else "box"
        raise _NoRegionError(f"one {what} and several findings ({', '.join([finding, *others])}): it may be of any")
    frame = read_frame(resolve(root, row["path"]))
    region = _read_mask(row, root, finding, frame.shape[:2]) if masked else _draw_box(box, frame.shape[:2])
    place = evaluation_transform(size)
    region = _placed(region, place) & _placed(field_of_view(frame), place)
    if not region.any():
        raise _NoRegionError(f"the region of {finding} is outside the view, or smaller than a pixel of {size}")
    return region


def _read_mask(row: pd.Series, root: str | Path, finding: str, shape: tuple[int, int]) -> np.ndarray:
    """Return the mask, in its own size, as bool: above half of the brightest pixel, whether that is 255 or 1."""
    path = row["mask"].replace("{finding}", finding)
    brightness = read_frame(resolve(root, path)).max(axis=2)  # of coloured masks any channel counts
    region = brightness > max(brightness.max() / 2, NOISE if path.lower().endswith(LOSSY) else 0)
    if not region.any():
        raise _NoRegionError(f"the mask {path} is empty")
    (height, width), (frame_height, frame_width) = region.shape, shape
    # One pixel is allowed for rounding where the mask or the frame was scaled.
    if abs(width * frame_height - height * frame_width) > max(*region.shape, *shape):
        raise _NoRegionError(f"the mask {path} is {width} x {height}, the frame {frame_width} x {frame_height}")
    return region


def _draw_box(box: list, shape: tuple[int, int]) -> np.ndarray:
    """Fill the box, with corners (x1, y1) and (x2, y2) in pixels of the stored frame, on a bool (H, W)."""
    if any(pd.isna(side) for side in box):
        raise _NoRegionError("its box lacks a side")
    x1, y1, x2, y2 = (max(0, round(float(side))) for side in box)
    region = np.zeros(shape, bool)
    region[y1:y2, x1:x2] = True
    if not region.any():
        raise _NoRegionError(f"its box ({', '.join(f'{side:g}' for side in box)}) has no area in the frame")
    return region


def _placed(region: np.ndarray, place) -> np.ndarray:
    """Scale and pad a region, bool (H, W) of any size, as a frame of this shape is."""
    return place(np.repeat(region[..., None] * np.uint8(255), 3, axis=2))[..., 0] > 127


def _unrelated(row: pd.Series, finding: str) -> list[str]:
    """Name the findings of the frame that are neither `finding`, nor a kind of it, nor what it is a kind of."""
    line = {finding, *ancestors(finding)}
    names = [name for name in row.index if name not in REQUIRED + OPTIONAL and _present(row, name)]
    return [name for name in names if name not in line and finding not in ancestors(name)]


def _present(row: pd.Series, finding: str) -> bool:
    label = row.get(finding)
    return bool(pd.notna(label) and label == 1)
