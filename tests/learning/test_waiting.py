"""The share of the training that waits for data: counted by a clock that the test holds."""

import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import DataLoader

from capsight.learning import waiting
from capsight.learning.waiting import Waiting


class Clock:
    def __init__(self):
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(waiting, "time", clock := Clock())
    return clock


class Slow(pl.LightningModule):
    """A step that takes three seconds for two frames, and a validation that takes a hundred."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.weight = clock, torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch, _):
        self.clock.now += 3
        return self.weight * 1.0

    def validation_step(self, batch, _):
        self.clock.now += 100

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def batches(clock):
    """Give four batches of two frames; each is waited for by one second."""
    for _ in range(4):
        clock.now += 1
        yield {"row": torch.zeros(2)}


class Frames(torch.utils.data.IterableDataset):
    def __init__(self, clock):
        self.clock = clock

    def __iter__(self):
        return batches(self.clock)


@pytest.mark.filterwarnings("ignore")  # Lightning's, about loaders without workers and about torch
def test_share_and_pace(clock, tmp_path, capsys):
    callback = Waiting()
    trainer = pl.Trainer(
        max_epochs=2,
        callbacks=[callback],
        logger=CSVLogger(tmp_path, name="logs"),
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
    )
    frames = DataLoader(Frames(clock), batch_size=None)
    trainer.fit(Slow(clock), frames, frames)
    # An epoch is 4 s of waiting, 12 s of steps and 8 frames; the very first batch is there before the training begins.
    assert (callback.waited, callback.trained, callback.frames) == (7, 31, 16)
    log = pd.read_csv(tmp_path / "logs" / "version_0" / "metrics.csv")
    assert log["data_wait"].dropna().tolist() == pytest.approx([3 / 15, 4 / 16])
    assert log["frames_per_second"].dropna().tolist() == pytest.approx([8 / 15, 8 / 16])
    assert "waited for data 22.6 % of the training time, 1 frames/s" in capsys.readouterr().err
