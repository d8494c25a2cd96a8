"""Engines: a trained network computed by PyTorch, ONNX Runtime or OpenVINO, behind one interface.

`open_engine(run, learner, "openvino")(images)` gives embeddings and logits, whichever it is.
"""

from pathlib import Path

from capsight.adaptation.methods import build_adaptation
from capsight.errors import UserError
from capsight.hardware import cpu_has_bfloat16
from capsight.inference.engines.base import Engine
from capsight.inference.engines.kept import kept_file
from capsight.inference.engines.onnx_engine import OnnxEngine
from capsight.inference.engines.openvino_engine import OpenVinoEngine
from capsight.inference.engines.torch_engine import TorchEngine
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run

__all__ = [
    "Engine",
    "OnnxEngine",
    "OpenVinoEngine",
    "TorchEngine",
    "check_engine",
    "check_exportable",
    "open_engine",
    "open_exported",
    "resolve_precision",
]

PRECISIONS = {"torch": ("auto", "fp32", "bf16"), "onnx": ("auto", "fp32"), "openvino": ("auto", "fp32", "bf16", "int8")}


def open_engine(
    run: Run, learner: FrameLearner, engine: str = "torch", *, precision: str = "auto", **reading
) -> Engine:
    """Return what computes a run's network: exported into its folder `engines` once, and anew when its weights change.

    engine: torch, onnx or openvino. precision: auto (bf16 where the hardware has it and the engine knows it), fp32,
    bf16, int8 (openvino). reading: root, workers and on_bad_frame, of the validation frames that an export needs.
    Raises UserError for an engine or a precision that there is not, and where the export is not possible.
    """
    if engine == "torch":
        check_engine(engine, precision)
        return TorchEngine(learner, precision)
    check_exportable(run, engine, precision)
    precision = resolve_precision(engine, precision)
    return open_exported(kept_file(run, learner, engine, precision, **reading), engine, precision)


def open_exported(file: Path, engine: str, precision: str) -> Engine:
    """Return what computes an exported file."""
    return OnnxEngine(file) if engine == "onnx" else OpenVinoEngine(file, precision)


def check_exportable(run: Run, engine: str, precision: str) -> None:
    """Raise UserError where a run cannot be exported, or not in this precision."""
    check_engine(engine, precision)
    if build_adaptation(run.adaptation).at_test:
        raise UserError(
            f"{run.dir} adapts to the frames that it predicts ({', '.join(run.adaptation)}), which an exported network "
            "cannot do; use engine=torch."
        )


def check_engine(engine: str, precision: str) -> None:
    """Raise UserError for an engine that there is not, or a precision that it does not have."""
    if engine not in PRECISIONS:
        raise UserError(f"engine={engine} is not known; choose {', '.join(PRECISIONS)}.")
    if precision not in PRECISIONS[engine]:
        raise UserError(
            f"precision={precision!r} is not known to engine={engine}; choose {', '.join(PRECISIONS[engine])}."
        )


def resolve_precision(engine: str, precision: str) -> str:
    """Return what `auto` means for an exported model here."""
    if precision != "auto":
        return precision
    return "bf16" if engine == "openvino" and cpu_has_bfloat16() else "fp32"
