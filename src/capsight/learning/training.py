"""Training with Lightning: the trainer, its checkpoints, and going on where a killed run was."""

import inspect
from pathlib import Path

import pandas as pd
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, RichProgressBar
from pytorch_lightning.plugins.environments import LightningEnvironment
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from rich.console import Console

from capsight.errors import UserError
from capsight.hardware import use_bfloat16
from capsight.learning.checkpoints import SafeCheckpointIO
from capsight.learning.frame_data import FrameData
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.launch import count_devices
from capsight.learning.loggers import build_loggers
from capsight.learning.ranks import launched_by
from capsight.learning.run import Run
from capsight.learning.waiting import Waiting


def train(run: Run, trainer: pl.Trainer, learner: FrameLearner, data: FrameData) -> None:
    """Train `learner` and leave checkpoints/best.ckpt, checkpoints/last.ckpt and logs/ in the run.

    Goes on from last.ckpt where there is one. The epoch with the highest `val_score` is the best one.
    """
    resume_from = run.last if run.last.exists() else None
    learner.to(memory_format=torch.channels_last)
    trainer.callbacks.insert(0, Waiting())  # of frames: the lessons, which share the trainer, have other batches
    trainer.fit(learner, datamodule=data, ckpt_path=resume_from, weights_only=True)
    if not run.best.exists():
        raise UserError(f"{run.dir}: no epoch was trained, so there is no model; set trainer.max_epochs to 1 or more.")


def read_history(run: Run) -> list[dict]:
    """Return one dict per epoch of what was logged, over all starts of the run."""
    files = sorted(run.dir.glob("logs/version_*/metrics.csv"), key=lambda file: int(file.parent.name.split("_")[1]))
    files = [file for file in files if file.stat().st_size]  # a full disk leaves an empty one
    if not files:
        return []
    rows = pd.concat([pd.read_csv(file) for file in files])
    epochs = rows.groupby("epoch").last().drop(columns="step").reset_index()  # an epoch done again replaces itself
    return [{key: value for key, value in row.items() if pd.notna(value)} for row in epochs.to_dict("records")]


def _processes(settings: dict) -> dict:
    """Return the settings of how many processes train: those that were begun decide."""
    launched, accelerator = launched_by(), settings.get("accelerator", "auto")
    here = count_devices(settings.get("devices", 1), accelerator, launched)
    nodes = launched.world_size() // here if launched else 1
    on_gpus = accelerator != "cpu" and torch.cuda.is_available()  # torch synchronises batch normalisation there alone
    sync = settings.get("sync_batchnorm", False) and on_gpus and here * nodes > 1
    return {"devices": here, "num_nodes": nodes, "sync_batchnorm": sync}


class EpochLine(Callback):
    """Prints one line per epoch where a progress bar cannot be shown, as in a log file."""

    def on_train_epoch_end(self, trainer: pl.Trainer, learner: FrameLearner) -> None:
        metrics = trainer.callback_metrics  # joined from all processes, so that each of them has to ask
        if not trainer.is_global_zero:
            return
        shown = {name: value for name, value in metrics.items() if name != "train_classification"}
        line = "  ".join(f"{name} {float(value):.3f}" for name, value in shown.items())
        console = Console(stderr=True, soft_wrap=True)
        console.print(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {line}", highlight=False)


def build_trainer(run_dir: Path, settings: dict, loggers: list[str] | None = None) -> pl.Trainer:
    """Build Lightning's trainer from the section `trainer` of the config, with the run's checkpoints and logs.

    Raises UserError for settings that Lightning or the machine does not have, and for unknown `loggers`.
    """
    settings = {**settings, **_processes(settings)}
    bf16 = use_bfloat16(settings.pop("precision"))
    unknown = settings.keys() - inspect.signature(pl.Trainer).parameters.keys()
    if unknown:
        raise UserError(f"Lightning's Trainer has no setting {', '.join(sorted(unknown))}; see conf/trainer/.")
    every_epoch = {"dirpath": run_dir / "checkpoints", "save_on_train_epoch_end": True, "enable_version_counter": False}
    # The best one comes first: the state that `last` saves must know of it.
    best = ModelCheckpoint(**every_epoch, filename="best", monitor="val_score", mode="max", save_weights_only=True)
    last = ModelCheckpoint(**every_epoch, filename="last")
    bars = [RichProgressBar()] if Console(stderr=True).is_terminal else []
    own = dict(
        precision="bf16-mixed" if bf16 else "32-true",
        plugins=[SafeCheckpointIO(), launched_by() or LightningEnvironment()],
        callbacks=[*(bars or [EpochLine()]), best, last],
        logger=build_loggers([] if loggers is None else loggers, run_dir),
        enable_progress_bar=bool(bars),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # the batches are sharded by rank already; Lightning's own way cannot do P × K
        log_every_n_steps=1,
    )
    try:
        return pl.Trainer(**settings, **own)
    except (MisconfigurationException, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"trainer: {str(error).splitlines()[0]}") from None
