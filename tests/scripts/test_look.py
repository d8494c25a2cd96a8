"""Looking into a network leaves pictures, and asks for what it cannot do without in one line."""

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from capsight.data.manifest import write_manifest
from capsight.learning.frame_learner import FrameLearner


@pytest.fixture
def frame(tmp_path):
    file = tmp_path / "frame.png"
    Image.fromarray(np.random.default_rng(0).integers(40, 256, (60, 80, 3), dtype=np.uint8)).save(file)
    return file


@pytest.fixture
def untrained_run(tmp_path):
    """A folder with all that looking needs of a run."""
    folder = tmp_path / "run"
    model = {"backbone": "mobilenetv3_small_050"}
    (folder / "checkpoints").mkdir(parents=True)
    learner = FrameLearner(findings=["polyp"], **model)
    torch.save({"state_dict": learner.state_dict()}, folder / "checkpoints" / "best.ckpt")
    OmegaConf.save({"data": {"findings": ["polyp"], "image_size": 64}, "model": model}, folder / "config.yaml")
    row = {"path": "a.png", "patient": "p", "video": "v", "frame": 0, "device": "phantom_1", "polyp": 1}
    write_manifest(pd.DataFrame([row]), folder / "manifest.parquet")
    return folder


def test_any_backbone(command, frame, tmp_path):
    out = tmp_path / "out"
    status, text, err = command("look.py", backbone="resnet18", image=frame, out=out, image_size=64, maximum=4)
    assert status == 0, err
    assert str(out) in text
    stages = ("01_act1", "02_layer1", "03_layer2", "04_layer3", "05_layer4")
    assert {file.name for file in out.iterdir()} == {f"{name}.png" for name in ("overview", "filters", *stages)}


def test_the_network_of_a_run(command, untrained_run, frame, tmp_path):
    out = tmp_path / "out"
    status, _, err = command("look.py", run=untrained_run, image=frame, out=out, layers="[blocks.0]")
    assert status == 0, err
    assert {file.name for file in out.iterdir()} == {"overview.png", "filters.png", "01_blocks.0.png"}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "either run=DIR or backbone=NAME"),
        ({"backbone": "resnet18", "run": "somewhere"}, "either run=DIR or backbone=NAME"),
        ({"run": "nowhere"}, "is not a run"),
        ({"backbone": "resnet19"}, "no backbone 'resnet19'"),
        ({"backbone": "resnet18", "image": "none.png"}, "cannot read frame none.png"),
        ({"backbone": "resnet18", "image_size": 0}, "image_size=0"),
        ({"backbone": "resnet18", "layers": "layer9"}, "no layer 'layer9'"),
        ({"backbone": "resnet18", "layers": "[]"}, "name others"),
        ({"backbone": "resnet18", "layers": "[0]"}, "no layer '0'"),
        ({"backbone": "resnet18", "maximum": 0}, "maximum=0"),
        ({"backbone": "resnet18", "maximum": "all"}, "maximum=all"),
        ({"backbone": "resnet18", "weights": "none.pth"}, "none.pth"),
        ({"backbone": "convnext_atto", "image_size": 3}, "cannot take a frame of 3 pixels"),
        ({"backbone": "resnet18", "out": "{file}/out"}, "cannot write"),
    ],
)
def test_what_cannot_be_done_is_one_line(command, frame, tmp_path, settings, says):
    settings = {"image": frame, "out": tmp_path / "out", "image_size": 32, **settings}
    settings["out"] = str(settings["out"]).format(file=frame)
    status, _, err = command("look.py", **settings)
    assert status == 1
    assert "Traceback" not in err
    assert says in err
    assert not (tmp_path / "out").exists()
