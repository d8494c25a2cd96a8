"""What the class activation maps of all findings cost: against one plain forward pass, Captum, and pytorch-grad-cam.

python benchmarks/cam.py backbone=resnet50 image_size=224 batch=8 findings=4 repeats=7 out=FILE
(pytorch-grad-cam: pip install -e '.[peers]')
"""

import sys
from collections.abc import Callable
from copy import deepcopy

import torch
from captum.attr import LayerGradCam
from omegaconf import OmegaConf
from timing import in_turns, report, row

from capsight.explain import class_activation_maps
from capsight.explain.views import stages
from capsight.nn import Backbone, EmbeddingHead, FrameClassifier

SETTINGS = {"backbone": "resnet50", "image_size": 224, "batch": 8, "findings": 4, "repeats": 7, "out": None}


def main(settings: dict) -> None:
    torch.manual_seed(0)
    size, batch, findings = (settings[key] for key in ("image_size", "batch", "findings"))
    backbone = Backbone(settings["backbone"], image_size=size)
    network = FrameClassifier(backbone, EmbeddingHead(backbone.width, findings)).eval()
    images = torch.rand(batch, 3, size, size)
    works = {
        "ours": lambda: class_activation_maps(network, images),
        "one plain forward pass": torch.no_grad()(lambda: network(images)),
    }
    makers = {"Captum LayerGradCam": captum, "pytorch-grad-cam": grad_cam}
    peers = {name: make(deepcopy(network), images) for name, make in makers.items()}  # peers leave hooks behind
    for name, peer in peers.items():
        if peer:
            works[f"{name}, one finding"] = lambda peer=peer: peer(0)
            works[f"{name}, all findings"] = lambda peer=peer: [peer(finding) for finding in range(findings)]
    seconds = in_turns(works, settings["repeats"])
    ours = seconds.pop("ours")
    setup = f"{findings} findings, {settings['backbone']}, {size} px, batch {batch}"
    rows = [row("CAM of all findings", setup, ours, time, name) for name, time in seconds.items()]
    absent = [f"{name} is not installed" for name, peer in peers.items() if peer is None]
    report([*rows, *(row("CAM of all findings", setup, ours, None, name) for name in absent)], settings["out"])


def captum(network: FrameClassifier, images: torch.Tensor) -> Callable[[int], object]:
    """Return what maps one finding."""
    peer = LayerGradCam(network, last_stage(network))
    return lambda finding: peer.attribute(images, target=finding)


def grad_cam(network: FrameClassifier, images: torch.Tensor) -> Callable[[int], object] | None:
    """Return what maps one finding; None where the peer is not installed."""
    try:
        from pytorch_grad_cam import GradCAM
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    except ImportError:
        return None
    peer = GradCAM(network, [last_stage(network)])
    return lambda finding: peer(images, targets=[ClassifierOutputTarget(finding)] * len(images))


def last_stage(network: FrameClassifier) -> torch.nn.Module:
    trunk = network.backbone.trunk
    return trunk.get_submodule(stages(trunk)[-1])


if __name__ == "__main__":
    main(OmegaConf.to_container(OmegaConf.merge(SETTINGS, OmegaConf.from_cli(sys.argv[1:]))))
