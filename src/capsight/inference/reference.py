"""What a trained model is held against: its validation frames, some of its training frames, and what is no frame.

The first say how far its numbers can be trusted, the others what it knows. A run keeps the frames beside its test.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import expit

from capsight.data.deal import spread_over_patients
from capsight.data.outsiders import KINDS, outsiders
from capsight.errors import UserError
from capsight.evaluation.trust.likeness import TrainingFrames, score_likeness
from capsight.inference.engines.base import Engine
from capsight.inference.engines.torch_engine import TorchEngine
from capsight.inference.ensemble import join_members
from capsight.inference.predict import forward, predict, prediction_table, read_size, write_predictions
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run

OUTSIDERS = 60  # images of each kind
FEWEST = 200  # training frames that the members of an ensemble have in common


class Predicted(NamedTuple):
    """A predictions table, and the embeddings (n, d) in the same order."""

    table: pd.DataFrame
    embeddings: np.ndarray


class Reference(NamedTuple):
    """The predictions of the validation frames, of some training frames, and of images that are no capsule frames."""

    validation: Predicted
    training: Predicted
    outsiders: Predicted


def make_reference(run: Run, learner: FrameLearner, root: str | Path, *, bank: int, **settings) -> Reference:
    """Predict the validation frames and at most `bank` training frames, spread over the patients.

    settings: further arguments of `predict`. Frames that are predicted otherwise, such as from ten crops, need a
    reference that is predicted likewise.
    """
    validation = Predicted(*predict(learner, run.frames("val"), root, **settings)[:2])
    # The same frames whatever the seed of the run, so that the members of an ensemble have them in common.
    some = spread_over_patients(run.frames("train"), bank, seed=0)
    training = Predicted(*predict(learner, some, root, **{**settings, "passes": 0})[:2])
    outsiders = predict_outsiders(learner, settings["image_size"], settings.get("crops", 1), settings.get("engine"))
    return Reference(validation, training, outsiders)


def keep_reference(run: Run, reference: Reference, adapting: Predicted | None = None) -> None:
    """Keep the predictions of validation and training frames in the run, and of a target's frames that may train."""
    write_predictions(run.dir / "validation", *reference.validation)
    write_predictions(run.dir / "training", *reference.training)
    if adapting:
        write_predictions(run.dir / "adapt", *adapting)


def read_reference(run: Run, learner: FrameLearner) -> Reference:
    """Read what `keep_reference` kept; the outsiders are predicted again. UserError where the run has none."""
    validation, training = (read_predictions(run, split) for split in ("validation", "training"))
    return Reference(validation, training, predict_outsiders(learner, run.config.data.image_size))


def read_predictions(run: Run, split: str) -> Predicted:
    """Read the run's predictions of `validation`, `training` or `adapt` frames. UserError where there are none."""
    folder = run.dir / split
    needed = ["path", "patient", "device"]
    needed += [f"{name}_{finding}" for finding in run.findings for name in ("label", "logit", "probability")]
    try:
        read = Predicted(pd.read_parquet(folder / "predictions.parquet"), np.load(folder / "embeddings.npy"))
        whole = read.embeddings.ndim == 2 and len(read.embeddings) == len(read.table) and set(needed) <= set(read.table)
    except (OSError, ValueError, EOFError):
        whole = False
    if not whole:
        raise UserError(
            f"{run.dir} is not a finished run (the predictions of its {split} frames are missing or damaged); go on "
            "with resume=auto."
        )
    return read


def join_references(references: Sequence[Reference], findings: list[str]) -> Reference:
    """Make the reference of an ensemble of those of its members; of the training frames, those that all have kept."""
    common = set.intersection(*(set(reference.training.table["path"]) for reference in references))
    if len(references) > 1 and len(common) < min(FEWEST, *(len(part.training.table) for part in references)):
        raise UserError(
            f"the members of the ensemble kept {len(common)} of the same training frames, too few to compare others "
            "with; go on with each by resume=auto, with the same bank."
        )
    references = [reference._replace(training=_only(reference.training, common)) for reference in references]
    joined = (join_members(*zip(*parts, strict=True), findings) for parts in zip(*references, strict=True))
    return Reference(*(Predicted(*part) for part in joined))


def _only(predicted: Predicted, paths: set[str]) -> Predicted:
    kept = predicted.table["path"].isin(paths).to_numpy(dtype=bool)
    rows = np.flatnonzero(kept)[np.argsort(predicted.table["path"].to_numpy()[kept])]
    return Predicted(predicted.table.iloc[rows].reset_index(drop=True), predicted.embeddings[rows])


def add_likeness(predicted: Predicted, training: TrainingFrames, findings: list[str]) -> pd.DataFrame:
    """Return the table with the columns of `evaluation.trust.likeness`: how unlike the training data a frame is."""
    logits = predicted.table[[f"logit_{finding}" for finding in findings]].to_numpy(np.float64)
    scores = score_likeness(training, predicted.embeddings, logits)
    return pd.concat([predicted.table, scores.astype(np.float32)], axis=1)


def predict_outsiders(
    learner: FrameLearner, image_size: int, crops: int = 1, engine: Engine | None = None
) -> Predicted:
    """Predict drawn images that are no capsule frames; the column `device` holds their kind."""
    engine = engine or TorchEngine(learner)
    logits, embeddings = [], []
    for kind in KINDS:
        images = torch.from_numpy(outsiders(kind, OUTSIDERS, read_size(image_size, crops), seed=0)).permute(0, 3, 1, 2)
        embedding, logit = forward(engine, images, image_size, crops)
        embeddings.append(embedding.cpu().numpy())
        logits.append(logit.cpu().numpy())
    kinds = np.repeat(list(KINDS), OUTSIDERS)
    names = [f"{kind} {i}" for i, kind in enumerate(kinds)]
    table = pd.DataFrame({"path": names, "patient": pd.NA, "device": kinds}, dtype="string")
    table = table.assign(**dict.fromkeys(learner.findings, pd.array([pd.NA] * len(table), dtype="Int8")))
    columns = {"logit": np.concatenate(logits)}
    columns["probability"] = expit(columns["logit"])
    return Predicted(prediction_table(table, columns, learner.findings), np.concatenate(embeddings))
