"""A trained model → the predictions table: every frame once, in the order of the manifest."""

from operator import itemgetter
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from torch.utils.data import DataLoader

from capsight.data.dataset import FrameDataset, collate
from capsight.data.manifest import write_manifest
from capsight.data.transforms import CROP_FROM, evaluation_transform, ten_crop
from capsight.errors import UserError
from capsight.evaluation.uncertainty import uncertainty
from capsight.files import atomic
from capsight.hardware import autocast, device
from capsight.inference.engines.base import Engine
from capsight.inference.engines.torch_engine import TorchEngine
from capsight.inference.passes import can_drop, head_passes, mc_dropout
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.ranks import gather, place
from capsight.progress import track

IDENTIFIERS = ("path", "patient", "video", "frame", "device", "split", "patient_from")


def predict(
    learner: FrameLearner,
    table: pd.DataFrame,
    root: str | Path,
    *,
    image_size: int,
    batch_size: int = 128,
    workers: int = 0,
    precision: str = "auto",
    on_bad_frame: str = "error",
    crops: int = 1,
    passes: int = 0,
    deep: bool = False,
    shared: bool = False,
    engine: Engine | None = None,
) -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Predict every frame of `table`.

    crops: 1, or 10 for the average over ten crops (four corners and centre, with reflections) of a larger frame.
    passes: of MC dropout, for the columns of `evaluation.uncertainty`; none where 0 or where the model has nothing to
    drop. deep: sample the trunk as well. shared: the processes that trained together share the batches, which stay
    those of one process, and each returns the whole. engine: what computes the network in place of PyTorch in this
    precision; the passes are PyTorch's all the same, by the head on the engine's embedding. Returns the predictions
    (identifiers, label_F, logit_F, probability_F, and the uncertainties), the embeddings (n, D) float32 in the same
    order, and the paths that were skipped as unreadable. Raises UserError where a frame is unreadable and
    `on_bad_frame` is "error", or where no frame is left.
    """
    if crops not in (1, 10):
        raise UserError(f"crops={crops} is not possible; use 1, or 10 for ten-crop averaging.")
    if crops == 10 and deep:
        raise UserError("ten-crop averaging does not go together with deep dropout; use crops=1 or trust.deep=false.")
    if deep and passes and engine and engine.name != "torch":
        raise UserError(f"deep dropout samples the trunk, which {engine.name} cannot; use trust.deep=false.")
    if len(table) == 0:
        raise UserError("there are no frames to predict; the manifest or the test split is empty.")
    if not isinstance(workers, int) or workers < 0:
        raise UserError(f"workers={workers} is not possible; it is a whole number from 0.")
    transform = evaluation_transform(read_size(image_size, crops))
    dataset = FrameDataset(table, root, learner.findings, transform, on_bad_frame=on_bad_frame)
    rank, world = place() if shared else (0, 1)
    mine = range(rank, -(-len(table) // batch_size), world)  # the batches of this process
    batches = [range(i * batch_size, min((i + 1) * batch_size, len(table))) for i in mine]
    loader = DataLoader(dataset, batch_sampler=batches, collate_fn=collate, num_workers=workers)
    learner = learner.eval().to(device(), memory_format=torch.channels_last)
    engine = engine or TorchEngine(learner, precision)
    passes = passes if can_drop(learner, deep) else 0
    parts, skipped = [], []
    for number, batch in zip(mine, track(loader, f"Predicting {len(table)} frames", shown=rank == 0), strict=True):
        skipped += batch["skipped"]
        if len(batch["row"]) == 0:
            continue
        images = batch["image"].to(device())
        embedding, logit = forward(engine, images, image_size, crops)
        spread = {}
        if passes and deep:
            with autocast(engine.precision):
                spread = _spread(mc_dropout(learner, images, passes=passes, deep=True, seed=number))
        elif passes:
            spread = _spread(head_passes(learner, embedding.to(device()), passes=passes, seed=number))
        values = {"embedding": embedding.cpu().numpy(), "logit": logit.cpu().numpy()}
        parts.append((number, {"row": batch["row"].numpy(), **values, **spread}))
    if shared:
        parts, skipped = (sum(of_all, []) for of_all in zip(*gather((parts, skipped)), strict=True))
    if not parts:
        raise UserError(f"none of the {len(table)} frames under {root} can be read.")
    parts = [values for _, values in sorted(parts, key=itemgetter(0))]
    columns = {name: np.concatenate([values[name] for values in parts]) for name in parts[0]}
    rows, embeddings = columns.pop("row"), columns.pop("embedding")
    columns = {"logit": columns["logit"], "probability": expit(columns["logit"]), **columns}
    return prediction_table(table.iloc[rows], columns, learner.findings), embeddings, skipped


def prediction_table(rows: pd.DataFrame, columns: dict[str, np.ndarray], findings: list[str]) -> pd.DataFrame:
    """Put identifiers, labels and `columns`, (n, F) each, into one table: label_F, then one column per name and F."""
    predictions = {name: rows[name] for name in IDENTIFIERS if name in rows.columns}
    for index, finding in enumerate(findings):
        predictions[f"label_{finding}"] = rows[finding]
        predictions |= {f"{name}_{finding}": values[:, index] for name, values in columns.items()}
    return pd.DataFrame(predictions).reset_index(drop=True)


def write_predictions(folder: str | Path, predictions: pd.DataFrame, embeddings: np.ndarray) -> None:
    """Write predictions.parquet and embeddings.npy, each whole or not at all."""
    folder = Path(folder)
    with atomic(folder / "embeddings.npy") as temporary:
        np.save(temporary, embeddings)
    write_manifest(predictions, folder / "predictions.parquet")


def read_size(image_size: int, crops: int) -> int:
    """Return the side of the frames to read, in pixels: ten crops come from a larger frame."""
    return round(image_size * CROP_FROM) if crops == 10 else image_size


def forward(engine: Engine, images: torch.Tensor, image_size: int, crops: int) -> tuple[torch.Tensor, ...]:
    """Return the embeddings (B, D) and logits (B, F) of frames of the size `read_size`, averaged over the crops."""
    parts = ten_crop(images, image_size) if crops == 10 else images.unsqueeze(1)  # (B, crops, 3, size, size)
    return tuple(value.unflatten(0, parts.shape[:2]).mean(dim=1) for value in engine(parts.flatten(0, 1)))


def _spread(probabilities: torch.Tensor) -> dict[str, np.ndarray]:
    return uncertainty(probabilities.float().cpu().numpy())
