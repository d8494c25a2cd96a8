"""What is in a made-up frame, in words: "two polyps near the lumen, some blood".

A caption names polyps (how many can be told apart, and where), bleeding, inflammation (where) and content, in this
order and only what is in the frame; "clean mucosa" where nothing is. Sizes and places come from the masks and from
where the capsule was: the phantom's own truth, and no guess from the picture.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from capsight.data.frames import read_frame
from capsight.data.manifest import resolve
from capsight.data.phantom.camera import middle, pose
from capsight.data.phantom.dataset import seed_of
from capsight.data.phantom.devices import DEVICES, view_mask
from capsight.data.phantom.findings import BLOCK, FINDINGS
from capsight.data.phantom.video import FRAMES_PER_BLOCK
from capsight.errors import UserError
from capsight.progress import track

CLEAN = "clean mucosa"
NUMBERS = ("one", "two", "three")
MUCH = 0.15  # part of the view
SPECK = 0.005  # part of the view below which a piece of a polyp's mask is no polyp of its own
NEAR = 0.5  # of half the frame's side
DEEP = 3.0  # radii ahead of the capsule, where the bowel leads away


def captions(table: pd.DataFrame, root: str | Path) -> pd.Series:
    """Return the caption of each frame of a phantom's manifest; <NA> where too little of a finding is in view.

    Raises UserError where `root` does not tell how its phantom was drawn.
    """
    drawn = Path(root) / "phantom.json"
    try:
        settings = json.loads(drawn.read_text())
        seed, n_frames = settings["seed"], settings["frames_per_patient"]
    except (OSError, ValueError, KeyError):
        raise UserError(f"{drawn} does not tell where the capsule was; draw the phantom anew.") from None
    rows = track(table.to_dict("records"), "Writing captions", total=len(table))
    written = [_of_row(row, root, seed, n_frames) for row in rows]
    return pd.Series(written, index=table.index, dtype="string", name="caption")


def caption(masks: dict[str, np.ndarray], lumen: np.ndarray, view: int) -> str:
    """Put into words masks {finding: (n, n) bool}; `lumen` is its pixel (x, y), `view` the pixels of the view."""
    parts = []
    if "polyp" in masks:
        count = min(max(1, _pieces(masks["polyp"], SPECK * view)), len(NUMBERS))
        word = "polyp" if count == 1 else "polyps"
        parts.append(f"{NUMBERS[count - 1]} {word} {_place(masks['polyp'], lumen)}")
    if "bleeding" in masks:
        parts.append(f"{_amount(masks['bleeding'], view)} blood")
    if "inflammation" in masks:
        parts.append(f"inflammation {_place(masks['inflammation'], lumen)}")
    if "content" in masks:
        parts.append(f"{_amount(masks['content'], view)} content")
    return ", ".join(parts) or CLEAN


def _of_row(row: dict, root: str | Path, seed: int, n_frames: int) -> str | None:
    if any(pd.isna(row[finding]) for finding in FINDINGS):
        return None
    there = [finding for finding in FINDINGS if row[finding]]
    if not there:
        return CLEAN
    masks = {f: read_frame(resolve(root, row["mask"].format(finding=f)))[..., 0] > 127 for f in there}
    size = len(masks[there[0]])
    device = DEVICES[row["device"]]
    number = int(row["patient"].rsplit("_p", 1)[1])
    patient_seed = seed_of(row["device"], number, seed)
    lumen = _lumen(patient_seed, BLOCK * row["frame"] / min(n_frames, FRAMES_PER_BLOCK), device.view, size)
    return caption(masks, lumen, np.count_nonzero(view_mask(device.shape, size)))


def _lumen(patient_seed: int, place: float, view: float, size: int) -> np.ndarray:
    """Pixel (x, y) of where the bowel leads; beyond the frame where the capsule looks at the wall."""
    camera = pose(patient_seed, place, view)
    ahead = np.array([[*middle(place + DEEP), place + DEEP]])
    return camera.project(ahead, size)[0][0]


def _pieces(mask: np.ndarray, smallest: float) -> int:
    """Count the connected pieces of a mask that have `smallest` pixels or more."""
    sizes = cv2.connectedComponentsWithStats(mask.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    return int((sizes >= smallest).sum())


def _place(mask: np.ndarray, lumen: np.ndarray) -> str:
    y, x = np.nonzero(mask)
    away = np.hypot(x.mean() - lumen[0], y.mean() - lumen[1])
    return "near the lumen" if away < NEAR * len(mask) / 2 else "on the wall"


def _amount(mask: np.ndarray, view: int) -> str:
    return "much" if np.count_nonzero(mask) > MUCH * view else "some"
