"""How long the training waits for data: the share that says whether frames or the network set the pace."""

import time

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console

from capsight.hardware import device

LOGGED = ("data_wait", "frames_per_second")


class Waiting(Callback):
    """Measures the time between two training steps, in which the next batch is waited for, and logs it by epoch.

    `data_wait` is its share of the epoch's training time, `frames_per_second` the frames of this process over that
    time. Validation and checkpoints count for neither. The first batch of each epoch counts, but that of the whole
    training, which Lightning fetches before it begins.
    """

    def __init__(self):
        self.waited = self.trained = 0.0  # seconds, of all epochs
        self.frames = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self._waited = self._trained = 0.0
        self._frames = 0
        self._mark = time.perf_counter()

    def on_train_batch_start(self, trainer: pl.Trainer, learner: pl.LightningModule, batch: dict, index: int) -> None:
        now = time.perf_counter()
        self._waited += now - self._mark
        self._trained += now - self._mark
        self._mark = now

    def on_train_batch_end(
        self, trainer: pl.Trainer, learner: pl.LightningModule, outputs, batch: dict, index: int
    ) -> None:
        if device().type != "cpu":
            torch.accelerator.synchronize()  # else the step would go on unseen while the next batch seems waited for
        now = time.perf_counter()
        self._trained += now - self._mark
        self._mark = now
        self._frames += len(batch["row"])

    def on_train_epoch_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        self.waited += self._waited
        self.trained += self._trained
        self.frames += self._frames
        told = dict(zip(LOGGED, (self._waited / self._trained, self._frames / self._trained), strict=True))
        learner.log_dict(told, sync_dist=True)  # with several processes, the mean over them

    @rank_zero_only
    def on_train_end(self, trainer: pl.Trainer, learner: pl.LightningModule) -> None:
        if self.trained:
            Console(stderr=True, soft_wrap=True, highlight=False).print(self.line())

    def line(self) -> str:
        """Say it in one line."""
        share, pace = self.waited / self.trained, self.frames / self.trained
        return f"waited for data {100 * share:.1f} % of the training time, {pace:,.0f} frames/s"
