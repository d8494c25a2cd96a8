"""The made-up frames of the lessons: drawn once, split by patient, and held in memory."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from capsight.data.dataset import FrameDataset
from capsight.data.manifest import read_manifest
from capsight.data.phantom import FINDINGS, ensure_phantom
from capsight.data.splits import split_by_patient
from capsight.data.transforms import evaluation_transform
from capsight.errors import UserError
from capsight.progress import track

# 80 frames a patient are so dense in time that a finding stays in view for several of them.
PHANTOM = {"devices": ["phantom_1"], "patients_per_device": 100, "frames_per_patient": 80, "size": 64, "seed": 0}


def drawn_frames(root: str | Path, phantom: dict | None = None, *, folds: int = 5) -> pd.DataFrame:
    """Return the manifest of the phantom in `root`, with its `split`; it is drawn where it is not there yet.

    phantom: arguments of `make_phantom` that differ from PHANTOM. Raises UserError for what is no such argument.
    """
    phantom = phantom or {}
    if not isinstance(phantom, dict) or phantom.keys() - PHANTOM.keys():
        raise UserError(f"lesson.phantom={phantom} is not possible; it sets some of {', '.join(PHANTOM)}.")
    file = Path(root) / "manifest.csv"
    ensure_phantom(file, root, **PHANTOM | phantom)
    table = read_manifest(file)
    table["split"] = split_by_patient(table, FINDINGS, folds=folds)
    return table


def read_images(table: pd.DataFrame, root: str | Path, size: int) -> Tensor:
    """Return the frames of a manifest, uint8 (n, 3, size, size)."""
    dataset = FrameDataset(table, root, [], evaluation_transform(size))
    images = torch.empty(len(dataset), 3, size, size, dtype=torch.uint8)
    for row in track(range(len(dataset)), f"Reading {len(dataset)} frames"):
        images[row] = dataset[row]["image"]
    return images


def turned(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Turn and reflect all of a batch (B, C, H, W) in one of the eight ways a square allows: a capsule has no up."""
    way = int(torch.randint(8, (), generator=generator))
    return turn(images, way)


def turn(images: Tensor, way: int) -> Tensor:
    """Turn by `way` % 4 quarters, and reflect from 4 on."""
    images = torch.rot90(images, way % 4, (-2, -1))
    return images.flip(-1) if way >= 4 else images


def truth(table: pd.DataFrame, findings: Sequence[str] = FINDINGS) -> Tensor:
    """Return the labels (n, F), float, NaN where unknown."""
    return torch.from_numpy(table[list(findings)].to_numpy(dtype="float32", na_value=float("nan")))
