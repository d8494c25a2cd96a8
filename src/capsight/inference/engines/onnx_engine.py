"""ONNX: the network as one file that ONNX Runtime, and many others, compute without PyTorch."""

import json
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from capsight.errors import UserError
from capsight.files import atomic
from capsight.inference.engines.base import cannot_load, fractions, package
from capsight.inference.engines.card import KEY
from capsight.learning.frame_learner import FrameLearner

OPSET = 20
OUTPUTS = ("logits", "embedding")


class OnnxEngine:
    """Computes an ONNX file, or its bytes, with ONNX Runtime on the CPU, in float32."""

    name, precision = "onnx", "fp32"

    def __init__(self, model: str | Path | bytes):
        runtime = package("onnxruntime", self.name)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors; the rest would bury what matters
        model = model if isinstance(model, bytes) else str(model)
        try:
            self.session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no common ancestor below Exception
            raise UserError(cannot_load("ONNX Runtime", model, error)) from None

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        logits, embedding = self.session.run(OUTPUTS, {"frames": fractions(images).numpy()})
        return torch.from_numpy(embedding), torch.from_numpy(logits)


class Exported(nn.Module):
    """A learner's network as it is exported: frames (N, 3, S, S) → logits (N, F), embedding (N, D)."""

    def __init__(self, learner: FrameLearner):
        super().__init__()
        self.network, self.logits = learner.network, learner.logits

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.network.embed(frames)
        return self.logits(embedding), embedding


def to_onnx(learner: FrameLearner, image_size: int, card: dict) -> bytes:
    """Return a learner's network as the bytes of an ONNX file with its card; the learner is moved to the CPU.

    Raises UserError for a network that cannot be exported.
    """
    package("onnxscript", "onnx")
    onnx = package("onnx", "onnx")
    frames = torch.rand(2, 3, image_size, image_size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own parts, about each other
        try:
            program = torch.onnx.export(
                Exported(learner.eval().cpu()),
                (frames,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["frames"],
                output_names=list(OUTPUTS),
                dynamic_shapes={"frames": {0: torch.export.Dim("N")}},
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            raise UserError(f"this network cannot be exported: {str(error).splitlines()[0]}") from None
    model = program.model_proto
    onnx.helper.set_model_props(model, {KEY: json.dumps(card), "notice": card["notice"]})
    return model.SerializeToString()


def write_onnx(model: bytes, file: Path) -> None:
    """Write an ONNX file, whole or not at all."""
    with atomic(file) as temporary:
        temporary.write_bytes(model)
