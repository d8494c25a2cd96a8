"""A run that adapts: where it begins, what is done to the trained network, and how it meets the target's frames."""

import copy
from pathlib import Path

import pandas as pd
import torch
from torch.utils.data import DataLoader

from capsight.adaptation.base import Combined
from capsight.adaptation.methods import build_adaptation
from capsight.data.dataset import FrameDataset, collate
from capsight.data.transforms import evaluation_transform
from capsight.errors import UserError
from capsight.hardware import device
from capsight.learning.checkpoints import SafeCheckpointIO
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run, read_run

BATCH = 64  # of the target's frames after training


def check_adaptation(adaptation: Combined, settings: dict) -> None:
    """Raise UserError where the methods need what the settings do not give, or are given what none of them uses."""
    split, name = settings["data"]["split"], ",".join(settings["adaptation"] or ["none"])
    if (adaptation.needs_target or adaptation.needs_labels or adaptation.afterwards) and split["target"] is None:
        raise UserError(f"adaptation={name} needs frames of a target; give data.split.target=DEVICE.")
    if adaptation.needs_labels and not split["labelled"]:
        raise UserError(f"adaptation={name} needs labelled frames of the target; give data.split.labelled=NUMBER.")
    if split["labelled"] and not adaptation.needs_labels:
        raise UserError(
            f"adaptation={name} makes no use of data.split.labelled={split['labelled']} frames; add few_shot or joint "
            "to adaptation, or set it to 0."
        )


def begin_with(learner: FrameLearner, directory: str | Path, table: pd.DataFrame) -> None:
    """Give `learner` the weights of another run.

    table: the frames of this run with their split. Raises UserError where the other run is of another network or other
    findings, or learned from patients that this one keeps for its test.
    """
    start = read_run(directory)
    if start.findings != learner.findings:
        raise UserError(f"start={directory} finds {', '.join(start.findings)}; give a run of the same data.findings.")
    if n := _seen_already(start.manifest, table):
        raise UserError(
            f"start={directory} learned from patients who are tested on here ({n:,} of the test frames); give a run of "
            "the same data.split, or one that was trained on other devices."
        )
    try:
        learner.network.load_state_dict(start.learner().network.state_dict())
    except RuntimeError:
        raise UserError(f"start={directory} is a run of another network; use the same settings of model.") from None


def _seen_already(before: pd.DataFrame, table: pd.DataFrame) -> int:
    """Count the test frames of patients or videos that an earlier run used, and this one does not use itself."""
    used, own = (part[part["split"].isin(["train", "val", "adapt"])] for part in (before, table))
    tested = table[table["split"] == "test"]
    seen = pd.Series(False, index=tested.index)
    for name in ("path", "patient", "video"):
        seen |= tested[name].isin(used[name].dropna()) & ~tested[name].isin(own[name].dropna())
    return int(seen.sum())


def keep_as_begun(run: Run, learner: FrameLearner) -> None:
    """Make the weights that the run began with its best ones, where nothing is trained (trainer.max_epochs=0)."""
    if not run.best.exists():
        SafeCheckpointIO().save_checkpoint({"state_dict": learner.state_dict()}, run.best)


def adapt_trained(run: Run, *, root: str, image_size: int, on_bad_frame: str, workers: int) -> None:
    """Do what the run's methods do after training, and leave checkpoints/adapted.ckpt where they do anything."""
    adaptation = build_adaptation(run.adaptation)
    if not adaptation.afterwards or run.adapted.exists():
        return
    learner = run.learner().to(device(), memory_format=torch.channels_last)
    table, transform = run.frames("adapt"), evaluation_transform(image_size)
    dataset = FrameDataset(table, root, learner.findings, transform, on_bad_frame=on_bad_frame)
    torch.manual_seed(run.config.seed)
    order = torch.Generator().manual_seed(run.config.seed)
    loader = DataLoader(
        dataset, batch_size=BATCH, shuffle=True, generator=order, collate_fn=collate, num_workers=workers
    )

    def frames():
        for batch in loader:
            if len(batch["row"]):
                yield batch["image"].to(device())

    try:
        adaptation.after_training(learner.network, learner.task, frames)
    except ValueError as error:
        raise UserError(f"adaptation={','.join(run.adaptation)}: {error}.") from None
    SafeCheckpointIO().save_checkpoint({"state_dict": learner.cpu().state_dict()}, run.adapted)


def adapted_to(run: Run) -> dict | None:
    """Return the frames of the target that a run used: {"device", "methods", "n_frames", "n_patients", "n_labelled"}.

    None where it made no use of any. A method that learns from the frames that it predicts has no others.
    """
    adaptation, target = build_adaptation(run.adaptation), run.config.data.split.get("target")
    table = run.frames("adapt")
    shown = table[run.findings].notna().any(axis=1)
    if not (adaptation.needs_target or adaptation.afterwards):
        table = table[shown] if adaptation.needs_labels else table[:0]
    if not target or not (len(table) or adaptation.at_test):
        return None
    counts = {"n_frames": len(table), "n_patients": table["patient"].nunique(), "n_labelled": int(shown.sum())}
    return {"device": target, "methods": list(run.adaptation), **counts}


def at_test_time(run: Run, learner: FrameLearner) -> FrameLearner:
    """Return the learner that predicts frames of the target: for methods that learn from these frames, a fresh copy."""
    network = build_adaptation(run.adaptation).at_test_time(learner.network, learner.task)
    if network is learner.network:
        return learner
    testing = copy.copy(learner)
    testing._modules = {**learner._modules, "network": network}
    return testing
