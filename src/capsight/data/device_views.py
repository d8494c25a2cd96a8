"""Parts of a frame in a few plain numbers: what of a device's look is in the tissue, and what in mask and border."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from capsight.data.frames import read_frame
from capsight.data.manifest import resolve
from capsight.data.view import field_of_view
from capsight.errors import UserError
from capsight.progress import track

PATIENTS, FRAMES = 40, 3  # of each device, and of each patient
VIEWS = ("centre", "whole", "border")
SIDE = 64  # pixels to which every part is scaled
THUMBNAIL = 8
DETAIL = (1, 2, 4)  # pixels of SIDE between which detail is looked for


def device_views(
    table: pd.DataFrame,
    root: str | Path,
    *,
    on_bad_frame: str = "error",
    patients: int = PATIENTS,
    frames: int = FRAMES,
    seed: int = 0,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]] | None:
    """Read some frames of each device; return their patient and device, and the features (n, d) of each of VIEWS.

    centre: the largest square inside the field of view, which holds no mask, border or text. whole: the frame. border:
    the frame with its field of view painted grey, so that only mask, border and text are left. Frames without patient
    or device are not looked at; None where no others are left. Raises UserError for a frame that cannot be read, or
    leaves it out with on_bad_frame=skip.
    """
    known = table[table["device"].notna() & table["patient"].notna()].reset_index(drop=True)
    rows = pd.concat([known[:0], *(_some(part, patients, frames, seed) for _, part in known.groupby("device"))])
    kept, seen = [], []
    for row, path in track(rows["path"].items(), "Looking at devices", total=len(rows)):
        try:
            seen.append([part_features(part) for part in parts_of(read_frame(resolve(root, path))).values()])
        except UserError:
            if on_bad_frame != "skip":
                raise
        else:
            kept.append(row)
    if not kept:
        return None
    frames_seen = rows.loc[kept, ["patient", "device"]].reset_index(drop=True)
    return frames_seen, dict(zip(VIEWS, np.array(seen).transpose(1, 0, 2), strict=True))


def parts_of(image: np.ndarray) -> dict[str, np.ndarray]:
    """Return the VIEWS of a frame, RGB uint8 (H, W, 3) each, of different sizes."""
    view = field_of_view(image)
    border = image.copy()
    border[view] = 128
    return {"centre": image[inscribed_square(view)], "whole": image, "border": border}


def inscribed_square(view: np.ndarray) -> tuple[slice, slice]:
    """Return rows and columns of the largest square about the middle of a convex view, bool (H, W)."""
    rows, columns = np.flatnonzero(view.any(axis=1)), np.flatnonzero(view.any(axis=0))
    y, x = (rows[0] + rows[-1] + 1) // 2, (columns[0] + columns[-1] + 1) // 2
    half = min(y - rows[0], rows[-1] + 1 - y, x - columns[0], columns[-1] + 1 - x)
    while half > 1 and not view[[y - half, y + half - 1]][:, [x - half, x + half - 1]].all():
        half -= 1  # the view is convex: it holds a square whose corners it holds
    half = max(half, 1)
    return slice(max(y - half, 0), y + half), slice(max(x - half, 0), x + half)


def part_features(image: np.ndarray) -> np.ndarray:
    """Describe an RGB image by a small thumbnail and by how much detail each colour has at each of three scales."""
    image = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    thumbnail = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    detail = [np.abs(np.diff(image[::step], axis=0)).mean(axis=(0, 1)) for step in DETAIL]
    detail += [np.abs(np.diff(image[:, ::step], axis=1)).mean(axis=(0, 1)) for step in DETAIL]
    return np.concatenate([thumbnail.ravel(), np.ravel(detail)])


def _some(part: pd.DataFrame, patients: int, frames: int, seed: int) -> pd.DataFrame:
    """Draw some patients of a device, and some frames of each."""
    names = part["patient"].drop_duplicates().sort_values()
    drawn = part[part["patient"].isin(names.sample(min(patients, len(names)), random_state=seed))]
    turns = drawn.sample(frac=1, random_state=seed).groupby("patient").cumcount()
    return drawn.loc[turns[turns < frames].index.sort_values()]
