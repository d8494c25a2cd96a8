"""Sequences of frames at work: a frame judged with its neighbours in time gives fewer false positives."""

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from capsight.data.phantom import FINDINGS
from capsight.errors import UserError
from capsight.inference.predict import predict
from capsight.learning.run import Run, read_run
from capsight.lecture.drawn_frames import drawn_frames, read_images, truth, turn
from capsight.lecture.false_positives import compare_false_positives
from capsight.lecture.fitting import batches, fit
from capsight.lecture.sequence_pictures import draw_false_positives, draw_video
from capsight.lecture.video_learner import FrameNetwork, KnownFindingsLearner, Videos, join_videos
from capsight.nn.sequence import VideoConv, VideoLSTM

SETTINGS = {"lr": 3e-3, "weight_decay": 0.05}


def sequences(
    out: Path,
    *,
    seed: int,
    trainer: dict,
    run: str | None = None,
    root: str = "phantom/videos",
    phantom: dict | None = None,
    image_size: int = 28,
    features: int = 128,
    hidden: int = 48,
    reach: int = 8,
    dropout: float = 0.3,
    sensitivity: float = 0.9,
    folds: int = 4,
    frame_epochs: int = 12,
    batch_size: int = 64,
    optimiser: dict | None = None,
) -> dict:
    """Judge frames one by one, by 1-D convolutions and by an LSTM over their embeddings, on held-out patients' videos.

    The embeddings come from a small network that is trained here for `frame_epochs`, or from the run in the folder
    `run`, with its own frames and split. trainer: of the three heads on them. reach: frames to either side that the
    convolutions take in. sensitivity: at which false positives are counted, for each finding by itself.
    folds: of the phantom's patients, one of which is tested. root, phantom: see `drawn_frames`.
    """
    if not 0 < sensitivity <= 1:
        raise UserError(f"lesson.sensitivity={sensitivity} is not possible; it is a share of the frames, up to 1.")
    if features < 8 or features % 8:
        raise UserError(f"lesson.features={features} is not possible; take a multiple of 8.")
    optimiser = SETTINGS | (optimiser or {})
    if run:
        table, findings, views = _from_run(read_run(run))
    else:
        table, findings = drawn_frames(root, phantom, folds=folds), list(FINDINGS)
        images = read_images(table, root, image_size)
        network = _train_frames(
            images, table, features, out / "frames", trainer | {"max_epochs": frame_epochs}, batch_size, optimiser, seed
        )
        views = _views(network, images, table)
    width = views[0].shape[1]
    torch.manual_seed(seed)
    heads = {
        "frame_by_frame": nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(width, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, len(findings)),
        ),
        "convolutions": VideoConv(width, len(findings), hidden=hidden, reach=reach, dropout=dropout),
        "lstm": VideoLSTM(width, len(findings), hidden=hidden, dropout=dropout),
    }
    test = Videos(views[:1], table, "test", findings)
    for name, head in heads.items():
        learner = KnownFindingsLearner(head, optimiser=optimiser, seed=seed)
        training = batches(Videos(views, table, "train", findings), batch_size=16, seed=seed, collate_fn=join_videos)
        validation = batches(Videos(views[:1], table, "val", findings), batch_size=1, collate_fn=join_videos)
        heads[name] = fit(learner, training, validation, out=out / name, trainer=trainer).network
    logits = {name: test.logits(head) for name, head in heads.items()}
    numbers = compare_false_positives(test.table, findings, logits, sensitivity=sensitivity, seed=seed)
    draw_false_positives(out / "false_positives.png", numbers, sensitivity)
    draw_video(out / "video.png", test.table, findings, logits)
    return {
        "sensitivity": sensitivity,
        "n_videos": {side: table.loc[table["split"] == side, "video"].nunique() for side in ("train", "val", "test")},
        "frames_per_video": len(test.table) / test.table["video"].nunique(),
        **numbers,
    }


def _train_frames(
    images: Tensor, table: pd.DataFrame, features: int, out: Path, trainer: dict, batch_size: int, optimiser: dict, seed
) -> FrameNetwork:
    """Train a network that knows one frame at a time."""
    torch.manual_seed(seed)
    learner = KnownFindingsLearner(FrameNetwork(features, len(FINDINGS)), optimiser=optimiser, seed=seed)
    labels = truth(table)
    sides = [torch.from_numpy((table["split"] == side).to_numpy()) for side in ("train", "val")]
    training, validation = (TensorDataset(images[rows], labels[rows]) for rows in sides)
    loaders = batches(training, batch_size=batch_size, seed=seed), batches(validation, batch_size=256)
    return fit(learner, *loaders, out=out, trainer=trainer).network


@torch.no_grad()
def _views(network: FrameNetwork, images: Tensor, table: pd.DataFrame) -> list[Tensor]:
    """Embeddings of the frames as they are, and of the training frames turned in seven more ways: (n, D) each.

    A network knows its own training frames too well; turned ones, which the heads learn from too, are more like new.
    """
    training = torch.from_numpy((table["split"] == "train").to_numpy())
    views = [torch.cat([network.embed(part) for part in images.split(256)])]
    for way in range(1, 8):
        view = torch.zeros_like(views[0])
        view[training] = torch.cat([network.embed(turn(part, way)) for part in images[training].split(256)])
        views.append(view)
    return views


def _from_run(run: Run) -> tuple[pd.DataFrame, list[str], list[Tensor]]:
    """The run's frames in the order of their videos, its findings, and its embeddings."""
    table = run.manifest[run.manifest["split"].notna() & run.manifest["video"].notna()]
    if missing := {"train", "val", "test"} - set(table["split"]):
        raise UserError(f"{run.dir} has no video for {', '.join(sorted(missing))}; give a run on frames of videos.")
    table = table.sort_values(["video", "frame"], ignore_index=True)
    data = run.config.data
    predictions, embeddings, _ = predict(run.learner(), table, data.root, image_size=data.image_size)
    table = predictions.rename(columns={f"label_{finding}": finding for finding in run.findings})
    return table, run.findings, [torch.from_numpy(embeddings)]
