"""Batches of frames whose classes are places in time: who is near each other in a video is of one class."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from capsight.errors import UserError


def time_blocks(frames: np.ndarray, *, reach: int, gap: int, offset: int = 0) -> np.ndarray:
    """Number the blocks that frames (n,) of one video fall into by their place in time; -1 between two blocks.

    Frames of one block are at most `reach` apart, those of different blocks more than `gap`.
    """
    block, place = np.divmod(np.asarray(frames) + offset, reach + 1 + gap)
    return np.where(place <= reach, block, -1)


class TimeBatches:
    """Lists of (row, class) for `DataLoader(batch_sampler=...)`: frames of one class are neighbours in time.

    videos: (n,) names, frames: (n,) places in the video; a row without one of them is not used. A batch has up to
    `blocks` blocks (`time_blocks`) of each of up to `videos_per_batch` videos, and up to `frames_per_block` of their
    frames; where the blocks begin is drawn anew for every batch. One epoch draws about as many frames as are used. The
    batches are a pure function of (seed, epoch). Raises UserError where no two frames are neighbours.
    """

    def __init__(
        self,
        videos: Sequence | pd.Series,
        frames: Sequence | pd.Series,
        *,
        reach: int,
        gap: int,
        videos_per_batch: int = 16,
        blocks: int = 2,
        frames_per_block: int = 3,
        seed: int = 0,
    ):
        if not 1 <= reach <= gap:
            raise UserError(f"reach={reach} and gap={gap} are not possible; choose 1 <= reach <= gap, in frames.")
        table = pd.DataFrame({"video": np.asarray(videos, object), "frame": np.asarray(frames, object)}).dropna()
        self.videos = [
            (video.index.to_numpy(), video["frame"].to_numpy(np.int64)) for _, video in table.groupby("video")
        ]
        if not any((np.diff(np.unique(frames)) <= reach).any() for _, frames in self.videos):
            raise UserError(
                f"no two unlabelled frames are at most {reach} apart in one video; time-coherence needs the columns "
                "video (or patient) and frame."
            )
        self.reach, self.gap, self.seed, self.epoch = reach, gap, seed, 0
        self.videos_per_batch, self.blocks, self.frames_per_block = videos_per_batch, blocks, frames_per_block
        self.batches = max(1, len(table) // (videos_per_batch * blocks * frames_per_block))

    @property
    def sampler(self) -> "TimeBatches":
        """Itself: Lightning calls `set_epoch` on the sampler of a batch sampler, not on the batch sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        for _ in range(self.batches):
            batch = []
            while not batch:  # all blocks may have fallen where no video has frames
                batch = self._draw(rng)
            yield batch

    def _draw(self, rng: np.random.Generator) -> list[tuple[int, int]]:
        offset, chosen = int(rng.integers(self.reach + 1 + self.gap)), []
        used = 0
        for video in rng.permutation(len(self.videos)):
            rows, frames = self.videos[video]
            block_of = time_blocks(frames, reach=self.reach, gap=self.gap, offset=offset)
            numbers, sizes = np.unique(block_of[block_of >= 0], return_counts=True)
            numbers = numbers[sizes > 1]  # a lone frame is nobody's neighbour
            chosen += [rows[block_of == block] for block in rng.permutation(numbers)[: self.blocks]]
            used += len(numbers) > 0
            if used == self.videos_per_batch:
                break
        return [
            (int(row), number)
            for number, rows in enumerate(chosen)
            for row in rng.permutation(rows)[: self.frames_per_block]
        ]


class TimeFrames(TensorDataset):
    """Frames, uint8 (n, 3, H, W); asked for (row, class), it gives the frame and the class."""

    def __getitem__(self, asked: tuple[int, int]) -> tuple[Tensor, int]:
        row, block = asked
        return self.tensors[0][row], block


def time_loader(images: Tensor, table: pd.DataFrame, *, steady: bool = False, **settings) -> DataLoader:
    """Give batches of the frames of a manifest and their classes; `steady`: the same ones in every epoch.

    A frame's video is the manifest's; where it has none, all frames of a patient count as one video, in the order of
    their numbers. settings: of `TimeBatches`.
    """
    sampler = TimeBatches(table["video"].fillna(table["patient"]), table["frame"], **settings)
    return DataLoader(TimeFrames(images), batch_sampler=list(sampler) if steady else sampler)
