"""The frames of a video through a network, batch by batch: findings, uncertainty, likeness, and how much can be seen.

A batch holds frames of consecutive numbers, so that a reading which goes on at one of them makes the same batches.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.special import expit
from torch import Tensor

from capsight.data.mucosa import Mucosa, judge_mucosa
from capsight.data.transforms import FrameTransform, evaluation_transform
from capsight.data.video import Shot, Video
from capsight.data.view import field_of_view, mask_outside, on_grid
from capsight.evaluation.trust import calibrate
from capsight.evaluation.trust.likeness import TrainingFrames, fit_likeness, score_likeness
from capsight.evaluation.uncertainty import uncertainty
from capsight.hardware import one_thread
from capsight.inference.engines import Engine, open_engine
from capsight.inference.in_time import calibrated_thresholds
from capsight.inference.passes import can_drop, head_passes
from capsight.inference.reference import read_predictions
from capsight.learning.adapting import at_test_time
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run
from capsight.overlap import in_order, overlap

USUAL = 0.99  # of validation frames are nearer to the training frames than what is called unlike them


class Prepared(NamedTuple):
    """A frame as the network takes it, uint8 (3, S, S), and how much mucosa it shows; both None where unreadable."""

    shot: Shot  # without its image
    image: np.ndarray | None
    mucosa: Mucosa | None


class Read(NamedTuple):
    """Some frames, read: a row for each, and their embeddings (n, D), NaN where a frame is unreadable."""

    frames: pd.DataFrame
    embeddings: np.ndarray


@dataclass(frozen=True)
class Reader:
    """A trained network and all that its answers are held against."""

    learner: FrameLearner
    engine: Engine
    image_size: int
    training: TrainingFrames
    unlike: float  # the knn_distance above which a frame is unlike the training data
    trust: dict  # trust.json
    calibration: str
    passes: int

    @property
    def thresholds(self) -> dict[str, float]:
        """The probabilities, calibrated as those of the frames, from which a finding is said to be there."""
        return calibrated_thresholds(self.trust, self.calibration, self.learner.findings)

    def read(self, group: list[Prepared]) -> Read:
        """Judge some frames. Their columns are those of `reading.parquet`, but for what takes the whole video."""
        shots = pd.DataFrame(
            {
                "frame": np.array([one.shot.frame for one in group], np.int64),
                "seconds": np.array([one.shot.seconds for one in group], np.float64),
                "readable": [one.image is not None for one in group],
                "problem": pd.Series([one.shot.problem for one in group], dtype="string"),
            }
        )
        rows = np.flatnonzero(shots["readable"])
        images = [one.image for one in group if one.image is not None]
        # Frames without an image take part as black ones: all batches have one shape, which is faster.
        stack = np.zeros((len(group), 3, self.image_size, self.image_size), np.uint8)
        if images:
            stack[rows] = images
        embeddings, judged = self._judge(torch.from_numpy(stack), seed=int(shots["frame"][0]))
        mucosa = pd.DataFrame([one.mucosa or [np.nan] * 5 for one in group], columns=Mucosa._fields, dtype=np.float32)
        judged = pd.concat([judged, mucosa], axis=1)
        judged[~shots["readable"]] = np.nan
        embeddings[~shots["readable"].to_numpy()] = np.nan
        return Read(pd.concat([shots, judged], axis=1), embeddings)

    def _judge(self, images: Tensor, seed: int) -> tuple[np.ndarray, pd.DataFrame]:
        findings = self.learner.findings
        outputs = self.engine(images)
        embeddings, logits = (output.float().cpu().numpy() for output in outputs)
        columns = {"logit": logits, "probability": expit(logits)}
        with one_thread():
            if self.passes:
                embedding = outputs[0].to(self.learner.device)
                passes = head_passes(self.learner, embedding, passes=self.passes, seed=seed)
                columns |= uncertainty(passes.float().cpu().numpy())
            named = {f"{name}_{f}": values[:, i] for name, values in columns.items() for i, f in enumerate(findings)}
            judged, _ = calibrate(pd.DataFrame(named), self.trust, self.calibration)
            likeness = score_likeness(self.training, embeddings, logits)
        return embeddings, pd.concat([judged, likeness], axis=1).astype(np.float32)


def open_reader(
    run: Run, *, engine: str = "torch", precision: str = "auto", calibration: str = "platt", passes: int = 30
) -> Reader:
    """Load a run for reading, its network computed by an engine. UserError where the run is not finished."""
    learner = run.learner()
    network = at_test_time(run, learner) if engine == "torch" else learner
    training = fit_likeness(read_predictions(run, "training").embeddings)
    table, embeddings = read_predictions(run, "validation")
    logits = table[[f"logit_{finding}" for finding in run.findings]].to_numpy(np.float64)
    distances = score_likeness(training, embeddings, logits)["knn_distance"]
    return Reader(
        learner=learner,
        engine=open_engine(run, network, engine, precision=precision),
        image_size=run.config.data.image_size,
        training=training,
        unlike=float(distances.quantile(USUAL)),
        trust=run.trust(),
        calibration=calibration,
        passes=passes if can_drop(learner, deep=False) else 0,
    )


def read_video(video: Video, reader: Reader, *, start: int, batch_size: int, workers: int) -> Iterator[Read]:
    """Yield the frames from number `start` on, read; decoding, preparing and the network overlap.

    workers: threads that prepare frames. At any time a few frames and batches are held, whatever the length.
    """
    transform = evaluation_transform(reader.image_size)
    shots = overlap(video.frames(start), ahead=4 * workers)
    prepared = in_order(lambda shot: prepare(shot, transform), shots, workers)
    groups = overlap(batches(prepared, batch_size))
    yield from overlap(map(reader.read, groups))


def prepare(shot: Shot, transform: FrameTransform) -> Prepared:
    """Make a frame ready, as `FrameDataset` does, and measure how much mucosa it shows."""
    bare = shot._replace(image=None)
    if shot.image is None:
        return Prepared(bare, None, None)
    small = on_grid(shot.image)
    view = field_of_view(shot.image, small)
    image = transform(mask_outside(shot.image, view)).transpose(2, 0, 1)
    return Prepared(bare, image, judge_mucosa(small, view))


def batches(prepared: Iterable[Prepared], size: int) -> Iterator[list[Prepared]]:
    """Group frames whose numbers have the same quotient by `size`."""
    group: list[Prepared] = []
    for one in prepared:
        if group and one.shot.frame // size != group[0].shot.frame // size:
            yield group
            group = []
        group.append(one)
    if group:
        yield group
