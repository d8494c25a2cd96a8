"""A trained network computed by the project's engines, against PyTorch as it comes: eager, float32."""

from collections.abc import Callable, Iterator
from functools import cache, partial

import torch
from cases import Case

from capsight.learning.frame_learner import FrameLearner
from capsight.notice import NOTICE

PEER = "eager fp32"
# name → engine and precision
ENGINES = {
    "PyTorch bf16 channels-last": ("torch", "bf16"),
    "ONNX Runtime fp32": ("onnx", "fp32"),
    "OpenVINO bf16": ("openvino", "bf16"),
    "OpenVINO int8": ("openvino", "int8"),
}


def cases(quick: bool) -> Iterator[Case]:
    inputs = {"backbone": "resnet10t", "side": 64, "frames": 2} if quick else {}
    inputs = {"backbone": "resnet18", "side": 224, "frames": 16} | inputs
    size = "{backbone}, {side} px, {frames} frames".format(**inputs)
    for name, (engine, precision) in ENGINES.items():
        work = partial(ours, engine=engine, precision=precision)
        yield Case(f"inference, {name}", size, inputs, {"frames": 1}, work, {PEER: eager})


def made_learner(backbone: str, side: int) -> FrameLearner:
    """Return a network with random weights: how fast it is does not depend on them."""
    torch.manual_seed(0)
    return FrameLearner(findings=["a", "b", "c", "d"], backbone=backbone, image_size=side).eval()


def made_frames(side: int, frames: int) -> torch.Tensor:
    return torch.randint(256, (frames, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def ours(engine: str, precision: str, backbone: str, side: int, frames: int) -> Callable:
    compute, images = _made_engine(engine, precision, backbone, side), made_frames(side, frames)
    return lambda: compute(images)


def eager(backbone: str, side: int, frames: int) -> Callable:
    learner, images = made_learner(backbone, side), made_frames(side, frames)
    return torch.no_grad()(lambda: learner(images))


@cache  # exporting takes longer than computing; the warm-up and the measurement share it
def _made_engine(engine: str, precision: str, backbone: str, side: int) -> Callable:
    return make_engine(made_learner(backbone, side), side, engine, precision, [made_frames(side, 10)])


def make_engine(learner: FrameLearner, side: int, engine: str, precision: str, calibration: list) -> Callable:
    """Return the engine, which is exported in memory; calibration: batches of uint8 frames, for int8."""
    from capsight.inference.engines import OnnxEngine, OpenVinoEngine, TorchEngine
    from capsight.inference.engines.onnx_engine import to_onnx
    from capsight.inference.engines.openvino_engine import to_openvino

    if engine == "torch":
        return TorchEngine(learner, precision)
    card = {"notice": NOTICE}
    onnx = to_onnx(learner, side, card)
    if engine == "onnx":
        return OnnxEngine(onnx)
    return OpenVinoEngine(to_openvino(onnx, card, calibration if precision == "int8" else None), precision)
