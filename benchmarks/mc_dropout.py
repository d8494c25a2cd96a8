"""MC dropout against torch-uncertainty and the plain loop, in the head and in the whole network."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from cam import network_and_frames
from cases import Case
from torch import nn

from capsight.inference import mc_dropout
from capsight.nn import FrameClassifier


def cases(quick: bool) -> Iterator[Case]:
    """In the head: the trunk is needed once only. In the whole network: everybody needs all the passes."""
    for name, deep, inputs in (
        ("in the head", False, {"backbone": "resnet50", "side": 224, "frames": 8, "passes": 30}),
        ("in all layers", True, {"backbone": "vit_tiny_patch16_224", "side": 224, "frames": 4, "passes": 10}),
    ):
        if quick:
            inputs |= {"frames": 1, "passes": 2} | ({} if deep else {"backbone": "resnet18", "side": 64})
        size = "{backbone}, {side} px, {frames} frames, {passes} passes".format(**inputs)
        peers = {"torch-uncertainty": torch_uncertainty, "plain loop": loop}
        peers = {name: partial(maker, deep=deep) for name, maker in peers.items()}
        yield Case(f"MC dropout {name}", size, inputs, {"frames": 1, "passes": 2}, partial(ours, deep=deep), peers)


def dropping(deep: bool, **inputs) -> tuple[FrameClassifier, torch.Tensor]:
    """A network whose head drops features; deep: whose trunk, a vision transformer, does so too."""
    network, images = network_and_frames(**inputs)
    for name, module in network.backbone.named_modules() if deep else ():
        if isinstance(module, nn.Dropout) and not name.endswith("attn_drop"):  # which is read and never called
            module.p = 0.1
    return network, images


def ours(deep: bool, passes: int, **inputs) -> Callable:
    network, images = dropping(deep, **inputs)
    return lambda: mc_dropout(network, images, passes=passes, deep=deep)


def torch_uncertainty(deep: bool, passes: int, **inputs) -> Callable:
    from torch_uncertainty.methods.mc_dropout import mc_dropout as wrap

    network, images = dropping(deep, **inputs)
    peer = wrap(network, passes, last_layer=not deep, on_batch=False).eval()
    return torch.inference_mode()(lambda: peer(images))


def loop(deep: bool, passes: int, **inputs) -> Callable:
    network, images = dropping(deep, **inputs)
    for module in network.modules():
        module.training = isinstance(module, nn.Dropout)
    return torch.inference_mode()(lambda: [network(images) for _ in range(passes)])
