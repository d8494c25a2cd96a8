"""What an engine is: whatever computes a trained network, by frames in, embeddings and logits out."""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Protocol

from torch import Tensor

from capsight.errors import UserError


class Engine(Protocol):
    """Frames (B, 3, S, S), uint8 or float32 in [0, 1], → embeddings (B, D) and one logit per finding (B, F), float32.

    name: torch, onnx or openvino. precision: fp32, bf16 or int8.
    """

    name: str
    precision: str

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]: ...


def fractions(images: Tensor) -> Tensor:
    """Bring frames, uint8 or float in [0, 1], to contiguous float32 on the CPU, as exported models take them."""
    if not images.is_floating_point():
        images = images.float() / 255
    return images.float().cpu().contiguous()


def package(name: str, engine: str) -> ModuleType:
    """Import an optional package. UserError where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(
            f"engine {engine} needs the package {error.name or name}, which is not installed; "
            "pip install 'capsight[engines]'."
        ) from None


def cannot_load(runtime: str, model, error: Exception) -> str:
    """Say that a runtime refuses a file, or a network that is in memory."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    why = lines[-1] if lines else type(error).__name__
    if isinstance(model, str | Path):
        return f"{runtime} cannot load {model}: {why}; delete it, and it is exported again."
    return f"{runtime} cannot load the exported network: {why}."
