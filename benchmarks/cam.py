"""Class activation maps against pytorch-grad-cam, Captum, and one plain forward pass."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from cases import Case

from capsight.explain import class_activation_maps
from capsight.explain.views import stages
from capsight.nn import Backbone, EmbeddingHead, FrameClassifier

FINDINGS = 4
REMARK = "the peers' network as it is made, this project's in channels-last, as prediction leaves it"


def cases(quick: bool) -> Iterator[Case]:
    """Of one finding, and of all of them: a closed form has all for the price of one.

    pytorch-grad-cam cannot compute in bfloat16, so that it is held against float32 there too.
    """
    inputs = {"backbone": "resnet18", "side": 64, "frames": 2} if quick else {}
    inputs = {"backbone": "resnet50", "side": 224, "frames": 8} | inputs
    size = "{backbone}, {side} px, {frames} frames".format(**inputs)
    for name, wanted in (("one finding", 1), (f"{FINDINGS} findings", FINDINGS)):
        peers = {"pytorch-grad-cam": partial(grad_cam, wanted=wanted), "Captum": partial(captum, wanted=wanted)}
        peers["one forward pass"] = forward_pass
        yield Case(f"CAM of {name}", size, inputs, {"frames": 1}, ours, peers, remark=REMARK)
    peers = {"pytorch-grad-cam in float32": partial(grad_cam, wanted=1), "Captum in float32": partial(captum, wanted=1)}
    yield Case("CAM of one finding, bfloat16", size, inputs, {"frames": 1}, in_bfloat16, peers, remark=REMARK)


def network_and_frames(backbone: str, side: int, frames: int) -> tuple[FrameClassifier, torch.Tensor]:
    torch.manual_seed(0)
    trunk = Backbone(backbone, image_size=side)
    return FrameClassifier(trunk, EmbeddingHead(trunk.width, FINDINGS)).eval(), torch.rand(frames, 3, side, side)


def ours(**inputs) -> Callable:
    network, images = network_and_frames(**inputs)
    network = network.to(memory_format=torch.channels_last)  # as `predict` leaves it
    return lambda: class_activation_maps(network, images)


def in_bfloat16(**inputs) -> Callable:
    compute = ours(**inputs)
    return torch.autocast("cpu", torch.bfloat16)(compute)


def forward_pass(**inputs) -> Callable:
    network, images = network_and_frames(**inputs)
    return torch.no_grad()(lambda: network(images))


def grad_cam(wanted: int, **inputs) -> Callable:
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    network, images = network_and_frames(**inputs)
    peer = GradCAM(network, [last_stage(network)])
    return lambda: [peer(images, targets=[ClassifierOutputTarget(f)] * len(images)) for f in range(wanted)]


def captum(wanted: int, **inputs) -> Callable:
    from captum.attr import LayerGradCam

    network, images = network_and_frames(**inputs)
    peer = LayerGradCam(network, last_stage(network))
    return lambda: [peer.attribute(images, target=finding) for finding in range(wanted)]


def last_stage(network: FrameClassifier) -> torch.nn.Module:
    trunk = network.backbone.trunk
    return trunk.get_submodule(stages(trunk)[-1])
