"""What T dropout passes cost: against one plain forward pass, the plain loop, and torch-uncertainty.

python benchmarks/mc_dropout.py passes=50 backbone=resnet50 image_size=224 batch=8 out=FILE
(torch-uncertainty: pip install -e '.[peers]')
"""

import sys

import torch
from omegaconf import OmegaConf
from timing import in_turns, report, row

from capsight.inference import mc_dropout
from capsight.nn import Backbone, EmbeddingHead, FrameClassifier

SETTINGS = {"passes": 50, "backbone": "resnet50", "image_size": 224, "batch": 8, "repeats": 5, "out": None}


def main(settings: dict) -> None:
    torch.manual_seed(0)
    backbone = Backbone(settings["backbone"], image_size=settings["image_size"])
    network = FrameClassifier(backbone, EmbeddingHead(backbone.width, 4)).eval()
    images, passes = (
        torch.rand(settings["batch"], 3, settings["image_size"], settings["image_size"]),
        settings["passes"],
    )

    def loop() -> None:
        network.head.dropout.train()
        for _ in range(passes):
            network(images)
        network.eval()

    peer, name = torch_uncertainty(network, passes)
    works = {
        "ours": lambda: mc_dropout(network, images, passes=passes),
        "one forward pass": lambda: network(images),
        **({name: lambda: peer(images)} if peer else {"plain loop": loop}),
    }
    with torch.inference_mode():
        seconds = in_turns(works, settings["repeats"])
    size = f"T = {passes}, {settings['backbone']}, {settings['image_size']} px, batch {settings['batch']}"
    ours = seconds.pop("ours")
    rows = [row("MC dropout", size, ours, time, against) for against, time in seconds.items()]
    if peer is None:
        rows.append(row("MC dropout", size, ours, None, name))
    report(rows, settings["out"])


def torch_uncertainty(network: FrameClassifier, passes: int) -> tuple[torch.nn.Module | None, str]:
    """The peer around the same network (its head has the dropout module that the peer needs), or why there is none."""
    try:
        from torch_uncertainty.methods.mc_dropout import mc_dropout as peer

        return peer(network, passes, last_layer=True, on_batch=False).eval(), "torch-uncertainty"
    except Exception as error:
        return None, f"torch-uncertainty does not run here: {str(error).splitlines()[0]}"


if __name__ == "__main__":
    main(OmegaConf.to_container(OmegaConf.merge(SETTINGS, OmegaConf.from_cli(sys.argv[1:]))))
