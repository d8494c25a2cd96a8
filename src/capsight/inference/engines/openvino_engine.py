"""OpenVINO: the network for CPUs, in float32, in bfloat16 where the CPU has it, or in 8-bit integers."""

import json
import logging
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from capsight.errors import UserError
from capsight.files import atomic
from capsight.hardware import cpu_has_bfloat16
from capsight.inference.engines.base import cannot_load, fractions, package
from capsight.inference.engines.card import KEY


class OpenVinoEngine:
    """Computes an OpenVINO model, or its file, on the CPU.

    precision: fp32 and bf16 say in what the file's float32 weights are computed; int8 belongs to a file that is
    quantised, whose other layers are then computed in bfloat16 where the CPU has it.
    """

    name = "openvino"

    def __init__(self, model, precision: str):
        self.precision = precision
        try:
            self.model = openvino().Core().compile_model(model, "CPU", compile_settings(precision))
        except RuntimeError as error:
            raise UserError(cannot_load("OpenVINO", model, error)) from None

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        result = self.model(fractions(images).numpy(), share_inputs=True)
        return torch.from_numpy(result["embedding"]), torch.from_numpy(result["logits"])


def compile_settings(precision: str) -> dict[str, str]:
    """Return how OpenVINO is to compile a model; without them it would choose the precision by the hardware alone."""
    bf16 = precision == "bf16" or (precision == "int8" and cpu_has_bfloat16())
    return {
        "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
        "INFERENCE_NUM_THREADS": str(torch.get_num_threads()),
        "ENABLE_CPU_PINNING": "NO",  # two processes would be pinned to the same core
    }


def to_openvino(onnx: bytes, card: dict, calibration: Sequence[Tensor] | None = None):
    """Return the OpenVINO model of an ONNX one, with its card.

    calibration: batches of frames (B, 3, S, S) for 8-bit integers. NNCF takes the range of every activation from them:
    its extremes over all frames. By default it takes the mean of each frame's extremes, and what reaches farther is cut
    off; frames of a capsule that the network never saw do.
    """
    model = openvino().Core().read_model(onnx)
    if calibration is not None:
        model = _quantised(model, calibration)
    model.set_rt_info(json.dumps(card), KEY)
    return model


def write_openvino(model, file: Path) -> None:
    """Write FILE.xml and FILE.bin; a FILE.xml that is there has its own FILE.bin beside it."""
    # Left in the opposite order: the .bin gets its name first. OpenVINO writes it under the name of the .xml.
    with atomic(file) as temporary, atomic(file.with_suffix(".bin")):
        try:
            openvino().save_model(model, temporary, compress_to_fp16=False)
        except RuntimeError as error:  # such as of a full disk
            raise UserError(f"OpenVINO cannot write {file}: {str(error).strip().splitlines()[-1]}") from None
        file.unlink(missing_ok=True)


def openvino() -> ModuleType:
    """Import OpenVINO without its telemetry, which would report each import to its maker."""
    sys.modules.setdefault("openvino_telemetry", None)  # as if it were not installed; NNCF does without it likewise
    return package("openvino", OpenVinoEngine.name)


def _quantised(model, calibration: Sequence[Tensor]):
    nncf = package("nncf", "openvino precision int8")
    nncf.set_log_level(logging.ERROR)
    frames = [fractions(batch).numpy() for batch in calibration]
    ranges = import_module("nncf.quantization.range_estimator").RangeEstimatorParametersSet.MINMAX
    how = nncf.AdvancedQuantizationParameters(activations_range_estimator_params=ranges)
    with redirect_stdout(sys.stderr):  # its progress
        return nncf.quantize(model, nncf.Dataset(frames), subset_size=len(frames), advanced_parameters=how)
