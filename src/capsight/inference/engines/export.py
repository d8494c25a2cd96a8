"""From a run to a file that is computed without this project, held against PyTorch before it is written."""

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from capsight.data.dataset import FrameDataset, collate
from capsight.data.deal import spread_over_patients
from capsight.data.transforms import evaluation_transform
from capsight.errors import UserError
from capsight.files import write_json
from capsight.inference.engines.base import Engine, fractions
from capsight.inference.engines.card import card_file, make_card
from capsight.inference.engines.onnx_engine import Exported, OnnxEngine, to_onnx, write_onnx
from capsight.inference.engines.openvino_engine import (
    OpenVinoEngine,
    compile_settings,
    openvino,
    to_openvino,
    write_openvino,
)
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run
from capsight.progress import track

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml"}
CHECKED = 32  # frames
CALIBRATION = 300  # frames for int8, as NNCF takes by default
BATCH = 10  # frames in a batch of them
TRIED = (1, 2, 5)  # sizes of the batches that an export is tried with
TOLERANCE = 1e-4  # of float32 logits


def export(
    run: Run,
    learner: FrameLearner,
    file: Path,
    *,
    format: str,
    precision: str,
    root: str | Path | None = None,
    workers: int = 0,
    on_bad_frame: str = "error",
) -> dict:
    """Export a run's network to `file` (.onnx, or .xml with its .bin) and write its card beside it; return the card.

    root: the folder of the run's frames, where it is no longer the one of the training. Validation frames alone are
    looked at. Raises UserError where the exported network is not the same to 1e-4 (fp32), takes no batch of another
    size, or cannot be made; nothing is written then.
    """
    size = run.config.data.image_size
    card = make_card(run, learner, format=format, precision=precision)
    table = spread_over_patients(run.frames("val"), CALIBRATION if precision == "int8" else CHECKED, seed=0)
    frames = _read(run, table, root or run.config.data.root, workers, on_bad_frame)
    onnx = to_onnx(learner, size, card)
    if format == "onnx":
        card["logits_differ_by"] = _check(OnnxEngine(onnx), learner, frames)
        card_file(file).unlink(missing_ok=True)
        write_onnx(onnx, file)
    else:
        openvino()
        if precision == "int8":
            card["calibration"] = {"frames": sum(map(len, frames)), "split": "val"}
        card["compile"] = {"INFERENCE_PRECISION_HINT": compile_settings(precision)["INFERENCE_PRECISION_HINT"]}
        model = to_openvino(onnx, card, frames if precision == "int8" else None)
        card["logits_differ_by"] = _check(OpenVinoEngine(model, precision), learner, frames)
        card_file(file).unlink(missing_ok=True)
        write_openvino(model, file)
    write_json(card, card_file(file))  # last: its presence says that the export is complete
    return card


def _read(run: Run, table: pd.DataFrame, root: str | Path, workers: int, on_bad_frame: str) -> list[Tensor]:
    """Read frames as batches (B, 3, S, S) of uint8."""
    transform = evaluation_transform(run.config.data.image_size)
    dataset = FrameDataset(table, root, run.findings, transform, on_bad_frame=on_bad_frame)
    loader = DataLoader(dataset, batch_size=BATCH, collate_fn=collate, num_workers=workers)
    frames = [batch["image"] for batch in track(loader, f"Reading {len(table)} validation frames")]
    frames = [batch for batch in frames if len(batch)]
    if not frames:
        raise UserError(f"no validation frame of {run.dir} can be read under {root}; give root=DIR.")
    return frames


def _check(engine: Engine, learner: FrameLearner, frames: list[Tensor]) -> float:
    """Return the largest difference of logits between engine and PyTorch, tried with batches of several sizes."""
    reference, frames = Exported(learner.eval().cpu()), torch.cat(frames)[:CHECKED]
    some = [frames[torch.arange(n) % len(frames)] for n in TRIED]
    worst = max(_difference(engine, reference, batch) for batch in [*some, *frames.split(BATCH)])
    if engine.precision == "fp32" and worst > TOLERANCE:
        raise UserError(
            f"the logits of the exported network differ by {worst:.2g} from PyTorch's, more than {TOLERANCE:g}; "
            "nothing is written."
        )
    return worst


@torch.no_grad()
def _difference(engine: Engine, reference: Exported, batch: Tensor) -> float:
    logits, embedding = reference(fractions(batch))
    its_embedding, its_logits = engine(batch)
    same_shape = its_logits.shape == logits.shape and its_embedding.shape == embedding.shape
    if not (same_shape and its_logits.isfinite().all() and its_embedding.isfinite().all()):
        raise UserError(
            f"the exported network gives no numbers for a batch of {len(batch)} frames; nothing is written."
        )
    return float((its_logits - logits).abs().max())
