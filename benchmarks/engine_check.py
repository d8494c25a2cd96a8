"""What each engine changes in the AUROC of a trained network on its own test frames."""

import numpy as np
import pandas as pd
import torch
from aims import ALLOWED
from apart import Failed
from engines import ENGINES, make_engine
from sklearn.metrics import roc_auc_score
from torch.utils.data import DataLoader

from capsight.data.dataset import FrameDataset, collate
from capsight.data.deal import spread_over_patients
from capsight.data.transforms import evaluation_transform
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run, read_run

FRAMES, CALIBRATION, BATCH = 1000, 300, 10


def auroc_change(given: dict, name: str, seen: bool) -> tuple[str, float, bool]:
    """Return what was checked, the largest change over the findings, and whether it is allowed.

    seen: whether the test frames are of the devices that the network was trained on, or of others.
    """
    if not given.get("run"):
        raise Failed("no trained network is given (run=DIR)")
    run = read_run(given["run"])
    learner, side = run.learner(), run.config.data.image_size
    test, devices = run.frames("test"), run.frames("train")["device"].unique()
    test = test[test["device"].isin(devices) == seen]
    if not len(test):
        raise Failed(f"the run has no test frames of {'a seen' if seen else 'an unseen'} device")
    frames, labels = _frames(run, test, FRAMES)
    calibration, _ = _frames(run, run.frames("val"), CALIBRATION)
    engine = make_engine(learner, side, *ENGINES[name], calibration)
    changed = np.subtract(*(_aurocs(logits, labels) for logits in (_computed(engine, frames), _eager(learner, frames))))
    number = float(np.nanmax(np.abs(changed)))
    network, whose = f"{run.config.model.backbone} at {side} px", "seen" if seen else "unseen"
    text = f"largest change of a finding's AUROC, {len(labels)} test frames of {whose} devices, {network}"
    return text, number, number < ALLOWED


def _frames(run: Run, table: pd.DataFrame, number: int) -> tuple[list[torch.Tensor], np.ndarray]:
    """Return at most `number` of the frames, spread over their patients, as batches of uint8; and their labels."""
    table = spread_over_patients(table, number, seed=0)
    transform = evaluation_transform(run.config.data.image_size)
    frames = FrameDataset(table, run.config.data.root, run.findings, transform, on_bad_frame="skip")
    batches = list(DataLoader(frames, batch_size=BATCH, collate_fn=collate))
    return [batch["image"] for batch in batches], torch.cat([batch["target"] for batch in batches]).numpy()


def _computed(engine, frames: list[torch.Tensor]) -> np.ndarray:
    return torch.cat([engine(batch)[1].float() for batch in frames]).numpy()


@torch.no_grad()
def _eager(learner: FrameLearner, frames: list[torch.Tensor]) -> np.ndarray:
    return torch.cat([learner(batch) for batch in frames]).numpy()


def _aurocs(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """NaN for a finding that all or none of the frames have."""
    values = []
    for score, label in zip(logits.T, labels.T, strict=True):
        known = np.isfinite(label)
        both = len(np.unique(label[known])) == 2
        values.append(roc_auc_score(label[known], score[known]) if both else np.nan)
    return np.array(values)
