"""What is trained on the frames of videos: findings, some of them unknown, per frame or per frame of a video."""

from collections.abc import Sequence

import pandas as pd
import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset

from capsight.lecture.drawn_frames import truth, turned
from capsight.lecture.learners import optimisation
from capsight.nn.captioner import FrameEncoder


class FrameNetwork(nn.Module):
    """A small network for one frame at a time: uint8 (B, 3, H, W) → logits (B, findings); turns frames in training."""

    def __init__(self, features: int, findings: int):
        super().__init__()
        self.encoder = FrameEncoder(features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(features, findings))

    def embed(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) → (B, features)."""
        return self.encoder(images.float() / 255)

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.embed(turned(images) if self.training else images))


class KnownFindingsLearner(pl.LightningModule):
    """Binary cross-entropy over the labels that are known (NaN: unknown).

    Batches are (inputs, targets), targets of the shape of the logits. Logs `val_score`, the negative loss.
    """

    def __init__(self, network: nn.Module, *, optimiser: dict, seed: int):
        super().__init__()
        self.network, self.optimiser, self.seed = network, optimiser, seed

    def on_train_batch_start(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        torch.manual_seed(hash((self.seed, self.current_epoch, index)) % 2**63)

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        loss, known = self._loss(*batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=known)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], _: int) -> None:
        loss, known = self._loss(*batch)
        self.log("val_score", -loss, on_epoch=True, batch_size=known)

    def _loss(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, int]:
        """The mean over the known labels, and their number."""
        known = ~targets.isnan()
        logits = self.network(inputs).float()[known]
        number = max(1, int(known.sum()))
        return F.binary_cross_entropy_with_logits(logits, targets[known], reduction="sum") / number, number

    def configure_optimizers(self) -> dict:
        return optimisation(self, **self.optimiser)


class Videos(Dataset):
    """The videos of one side of a split: (embeddings (T, D), targets (T, F)), in the order of the frames.

    views: embeddings (n, D) in the order of `table`, several where the frames were turned; each is a video of its own.
    """

    def __init__(self, views: Sequence[Tensor], table: pd.DataFrame, side: str, findings: Sequence[str]):
        self.table = table[table["split"] == side].sort_values(["video", "frame"])
        rows = [torch.tensor(video.index.to_numpy()) for _, video in self.table.groupby("video")]
        self.items = [(view, index) for view in views for index in rows]
        self.targets = truth(table, findings)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        view, rows = self.items[number]
        return view[rows], self.targets[rows]

    @torch.no_grad()
    def logits(self, network: nn.Module) -> Tensor:
        """Judge video by video; (n, F) in the order of `table`."""
        return torch.cat([network(embeddings[None])[0] for embeddings, _ in self])


def join_videos(videos: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Make a batch (B, T, D), (B, T, F) of videos of different lengths; what is filled up has unknown labels."""
    embeddings, targets = zip(*videos, strict=True)
    return pad_sequence(embeddings, True), pad_sequence(targets, True, float("nan"))
