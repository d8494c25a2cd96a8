"""A sequence model in place of smoothing: every frame of a video is judged with those around it.

The model is one that the lesson `sequences` trained on the embeddings of the same run. Its probabilities are
calibrated, and its thresholds chosen, on the videos of the run's validation patients, as those of single frames are.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from torch import nn

from capsight.errors import UserError
from capsight.evaluation.events import Looks
from capsight.evaluation.trust import calibrate, fit_trust
from capsight.inference.reference import read_predictions
from capsight.learning.checkpoints import load_checkpoint
from capsight.learning.run import Run
from capsight.nn.sequence import VideoConv, VideoLSTM

CHUNK = 4096  # frames that are judged at a time
MARGIN = 256  # frames before and behind them that are looked at too; an LSTM hardly remembers more


@dataclass(frozen=True)
class InTime:
    """A sequence model with what its answers are held against."""

    network: nn.Module
    findings: list[str]
    trust: dict
    calibration: str

    def probabilities(self, embeddings: Looks) -> pd.DataFrame:
        """Return the calibrated probability of each finding (n rows) for embeddings (n, D); NaN where those are NaN."""
        logits, known = judge_in_time(self.network, embeddings)
        table, _ = calibrate(_table(logits, self.findings), self.trust, self.calibration)
        table[~known] = np.nan
        return pd.DataFrame({finding: table[f"probability_{finding}"] for finding in self.findings})

    def judge(self, frames: pd.DataFrame, embeddings: Looks) -> pd.DataFrame:
        """Return frames with this model's probabilities in place of their own, whose uncertainty goes with them."""
        own = [
            f"{name}_{finding}" for name in ("standard_deviation", "predictive_entropy") for finding in self.findings
        ]
        probabilities = self.probabilities(embeddings).add_prefix("probability_")
        return frames.drop(columns=own, errors="ignore").assign(**probabilities)

    @property
    def thresholds(self) -> dict[str, float]:
        return calibrated_thresholds(self.trust, self.calibration, self.findings)


def open_in_time(run: Run, file: str | Path, calibration: str) -> InTime:
    """Load a sequence model and fit it to the run's validation videos. UserError where it is of another run."""
    table, embeddings = read_predictions(run, "validation")
    network = read_sequence_model(file, embeddings.shape[1], len(run.findings))
    if "video" not in table or "frame" not in table or table[["video", "frame"]].isna().any(axis=None):
        raise UserError(
            f"{run.dir} has no videos with numbered frames to fit a sequence model to; use another smoothing."
        )
    logits = np.empty((len(table), len(run.findings)), np.float32)
    for _, rows in table.reset_index(drop=True).sort_values("frame").groupby("video"):
        logits[rows.index] = judge_in_time(network, embeddings[rows.index])[0]
    columns = _table(logits, run.findings)
    trust = fit_trust(table.assign(**{name: columns[name].to_numpy() for name in columns}), run.findings)
    return InTime(network, run.findings, trust, calibration)


def read_sequence_model(file: str | Path, width: int, classes: int) -> nn.Module:
    """Load a `VideoLSTM` or `VideoConv` from a checkpoint; its sizes are those of its weights.

    UserError where the file holds neither, or one for embeddings of another width or another number of findings.
    """
    state = load_checkpoint(file).get("state_dict", {})
    state = {name.removeprefix("network."): values for name, values in state.items()}
    try:
        if "lstm.weight_ih_l0" in state:
            takes, gives = state["lstm.weight_ih_l0"].shape[1], len(state["classifier.bias"])
            sizes = {"hidden": state["lstm.weight_hh_l0"].shape[1], "backwards": "lstm.weight_ih_l0_reverse" in state}
            network = VideoLSTM(takes, gives, **sizes)
        else:
            near, far = state["2.weight"], state["5.weight"]
            takes, gives, reach = near.shape[1], len(far), (near.shape[2] + far.shape[2]) // 2 - 1
            network = VideoConv(takes, gives, hidden=len(near), reach=reach)
        network.load_state_dict(state)
    except (KeyError, IndexError, RuntimeError):
        raise UserError(f"{file} is no sequence model; give a best.ckpt of the lesson sequences.") from None
    if (takes, gives) != (width, classes):
        raise UserError(
            f"{file} judges {gives} findings by embeddings of {takes} numbers, and the run has {classes} and {width}; "
            "train it with lesson.run=DIR on this run."
        )
    return network.eval()


@torch.no_grad()
def judge_in_time(network: nn.Module, embeddings: Looks) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits (n, F) of the frames of one video, and where they are known, bool (n,).

    embeddings: (n, D) in order. An unreadable frame (NaN) counts as what was seen before it.
    """
    parts, known = [], []
    for start in range(0, len(embeddings), CHUNK):
        stop = min(start + CHUNK, len(embeddings))
        first, last = max(0, start - MARGIN), min(len(embeddings), stop + MARGIN)
        values = np.asarray(embeddings[np.arange(first, last)], np.float32)
        readable = np.isfinite(values).all(axis=1)
        before = np.maximum.accumulate(np.where(readable, np.arange(len(values)), readable.argmax()))
        logits = network(torch.from_numpy(np.nan_to_num(values[before]))[None])[0]
        parts.append(logits.numpy()[start - first : stop - first])
        known.append(readable[start - first : stop - first])
    return np.concatenate(parts), np.concatenate(known)


def calibrated_thresholds(trust: dict, calibration: str, findings: list[str]) -> dict[str, float]:
    """Return the probabilities, calibrated as those of the frames, from which a finding is said to be there."""
    _, thresholds = calibrate(_table(np.empty((0, len(findings))), findings), trust, calibration)
    return {finding: 0.5 if thresholds[finding] is None else thresholds[finding] for finding in findings}


def _table(logits: np.ndarray, findings: list[str]) -> pd.DataFrame:
    columns = {f"logit_{finding}": logits[:, i] for i, finding in enumerate(findings)}
    return pd.DataFrame(columns | {name.replace("logit", "probability", 1): expit(v) for name, v in columns.items()})
