"""Small images with known classes, for what is learnt without labels."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from capsight.data.phantom import FINDINGS
from capsight.lecture import digits
from capsight.lecture.drawn_frames import drawn_frames, read_images

SIDE = 16  # pixels of a shrunken frame


class ImageSet(NamedTuple):
    """Images (n, C, H, W) in [0, 1]; of the test images what they show and whose they are."""

    training: Tensor
    validation: Tensor
    test: Tensor
    labels: np.ndarray  # (n,) positions in `classes`
    classes: tuple[str, ...]
    patients: list[str]


def digit_images(seed: int) -> ImageSet:
    """Return the digits of 8 × 8 pixels that scikit-learn ships; who wrote them is not known.

    Every image counts as its own patient, so intervals are those for images of the same writers.
    """
    training, validation, (test, labels) = (part.tensors for part in digits.digits(seed=seed))
    names = [str(row) for row in range(len(test))]
    return ImageSet(training[0], validation[0], test, labels.numpy(), tuple("0123456789"), names)


def frame_images(root: str | Path, phantom: dict | None) -> ImageSet:
    """Return the frames of the phantom in `root`, `SIDE` pixels square; their class is the first finding they show."""
    table = drawn_frames(root, phantom)
    table = table[table[list(FINDINGS)].notna().all(axis=1)].reset_index(drop=True)
    images = read_images(table, root, SIDE).float() / 255
    parts = {name: (table["split"] == name).to_numpy() for name in ("train", "val", "test")}
    test = table[parts["test"]]
    return ImageSet(
        *(images[torch.from_numpy(rows)] for rows in parts.values()),
        _first_finding(test),
        ("none", *FINDINGS),
        list(test["patient"]),
    )


def _first_finding(table: pd.DataFrame) -> np.ndarray:
    there = table[list(FINDINGS)].to_numpy(dtype=bool)
    return np.where(there.any(1), there.argmax(1) + 1, 0)
