"""The frames of a manifest as a torch data set: reading, masking, transforming, and their labels."""

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch.utils.data import Dataset, default_collate

from capsight.data.cache import FrameCache
from capsight.data.frames import read_frame
from capsight.data.manifest import resolve_all
from capsight.data.transforms import FrameTransform, evaluation_transform
from capsight.data.view import field_of_view, mask_outside
from capsight.errors import UserError


class FrameDataset(Dataset):
    """One item per row of a manifest: {"image", "target", "row", "skipped"}.

    image: uint8 (3, size, size), zero outside the camera's view. target: float32 (C,) in the order of
    `findings`, NaN where unknown. row: position in `table`. skipped: None, or an unreadable frame's path.
    cache: decoded frames of the transform's `source_size`; the items are the same with it and without.
    A sampler may give `index`, or `(index, seed)` for random changes that depend on the seed only.
    Raises UserError for a finding that `table` does not have and a path that leaves `root`, and, with
    `on_bad_frame="error"`, for a frame that cannot be read.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        root: str | Path,
        findings: list[str],
        transform: FrameTransform,
        *,
        on_bad_frame: Literal["error", "skip"] = "error",
        cache: FrameCache | None = None,
    ):
        if on_bad_frame not in ("error", "skip"):
            raise UserError(f"on_bad_frame is {on_bad_frame!r}; set it to 'error' or 'skip'.")
        if missing := [name for name in findings if name not in table]:
            raise UserError(f"the manifest has no finding {', '.join(missing)}; choose among its columns.")
        # One block of text: a list of strings would be copied into every worker as it is read.
        self.paths = resolve_all(root, table["path"])
        targets = table[findings].to_numpy(dtype=np.float32, na_value=np.nan)
        self.targets = torch.from_numpy(targets)
        self.transform, self.on_bad_frame = transform, on_bad_frame
        self.cache = cache if cache and cache.side == transform.source_size else None
        self.kept = self.cache.rows(table["path"]) if self.cache else None
        self._square = evaluation_transform(transform.source_size)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int | tuple[int, int]) -> dict:
        row, seed = index if isinstance(index, tuple) else (index, None)
        image, skipped = None, None
        try:
            image = self._frame(row)
        except UserError:
            if self.on_bad_frame == "error":
                raise
            skipped = str(self.paths[row])
        return {
            "image": self._image(image, seed),
            "target": self.targets[row],
            "row": int(row),
            "skipped": skipped,
        }

    def _frame(self, row: int) -> np.ndarray:
        """Read a frame, black outside the view; with a cache, as the square that every transform begins with."""
        file = self.paths[row]
        if self.cache and (kept := self.cache.read(self.kept[row], file)) is not None:
            return kept
        frame = read_frame(file, size=self.transform.source_size)
        frame = mask_outside(frame, field_of_view(frame))
        if self.cache:
            frame = self._square(frame)
            self.cache.write(self.kept[row], file, frame)
        return frame

    def _image(self, frame: np.ndarray | None, seed: int | None) -> torch.Tensor:
        if frame is None:
            return torch.zeros(3, self.transform.size, self.transform.size, dtype=torch.uint8)
        image = self.transform(frame, seed=seed)
        return torch.from_numpy(image).permute(2, 0, 1).contiguous()


def collate(items: list[dict]) -> dict:
    """Make a batch of the items whose frames could be read, and a list of the paths of the others.

    Returns {"image": uint8 (B, 3, size, size), "target": float32 (B, C), "row": int64 (B,),
    "skipped": [path, …]}, with B = 0 where no frame of the batch could be read.
    """
    skipped = [item["skipped"] for item in items if item["skipped"]]
    batch = default_collate([{key: item[key] for key in ("image", "target", "row")} for item in items])
    if skipped:
        read = torch.tensor([item["skipped"] is None for item in items])
        batch = {key: values[read] for key, values in batch.items()}
    return {**batch, "skipped": skipped}
