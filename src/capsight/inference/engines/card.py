"""The card of an exported model: all that is needed to use it without this project, as JSON beside it and in it."""

import json
from importlib.metadata import version
from pathlib import Path

from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run
from capsight.notice import NOTICE

KEY = "capsight"  # the name under which the card stands in the file itself
SAYS = {
    "input": {
        "frames": "float32 (N, 3, image_size, image_size), RGB from 0 to 1: scaled to image_size with the aspect kept, "
        "padded with black to a square, black outside the camera's round view; N is free"
    },
    "output": {
        "logits": "float32 (N, number of findings), in the order of findings; 1 / (1 + exp(-logit)) is the probability",
        "embedding": "float32 (N, width)",
    },
}


def make_card(run: Run, learner: FrameLearner, *, format: str, precision: str) -> dict:
    """Say what the exported model of a run takes, gives and is. UserError where the run is not finished."""
    backbone, facts = learner.network.backbone, run.facts()
    return {
        "notice": NOTICE,
        "title": run.config.title,
        "format": format,
        "precision": precision,
        **SAYS,
        "findings": run.findings,
        "image_size": run.config.data.image_size,
        "normalisation": {
            "where": "inside the model",
            "mean": backbone.mean.flatten().tolist(),
            "std": backbone.std.flatten().tolist(),
        },
        "thresholds": run.trust()["thresholds"],
        "run": {
            "backbone": run.config.model.backbone,
            "weights": run.fingerprint(),
            "manifest": facts.get("manifest_fingerprint"),
            "commit": facts.get("commit"),
            "capsight": version("capsight"),
        },
    }


def card_file(file: Path) -> Path:
    """Name the JSON file beside an exported model: model.onnx.json."""
    return file.with_name(file.name + ".json")


def read_card(file: Path) -> dict | None:
    """Read the card beside an exported model; None where there is none, or no whole one."""
    try:
        card = json.loads(card_file(file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) else None
