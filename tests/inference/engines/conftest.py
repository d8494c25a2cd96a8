"""A run of a tiny network on eight validation frames, as a training would leave it."""

import json

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run

FINDINGS, SIZE, N = ["polyp", "bleeding"], 32, 8
MODEL = {"backbone": "resnet10t", "embedding_dim": 8, "task": "exclusive", "dropout": 0.2}


@pytest.fixture
def make_run(tmp_path):
    def make(seed: int = 0, **model) -> Run:
        rng = np.random.default_rng(0)
        for i in range(N):
            frame = cv2.resize(rng.integers(60, 255, (4, 4, 3), dtype=np.uint8), (SIZE, SIZE))
            cv2.imwrite(str(tmp_path / f"{i}.png"), frame)
        names = [f"p{i}" for i in range(N)]
        table = pd.DataFrame({"path": [f"{i}.png" for i in range(N)], "patient": names, "video": names, "device": "d"})
        table = table.assign(split="val").astype("string").assign(frame=pd.array(range(N), dtype="Int64"))
        table = table.assign(**{finding: pd.array([0, 1] * (N // 2), "Int8") for finding in FINDINGS})
        data = {"findings": FINDINGS, "image_size": SIZE, "root": str(tmp_path)}
        model = MODEL | model
        config = OmegaConf.create({"title": "a run", "data": data, "model": model, "adaptation": {}})
        torch.manual_seed(seed)
        learner = FrameLearner(findings=FINDINGS, image_size=SIZE, **model)
        run = Run(tmp_path / "run", config, table)
        run.best.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"state_dict": learner.state_dict()}, run.best)
        (run.dir / "facts.json").write_text(json.dumps({"manifest_fingerprint": "f", "commit": "c"}))
        (run.dir / "trust.json").write_text(json.dumps({"thresholds": {"polyp": 0.5, "bleeding": 0.25}}))
        return run

    return make


@pytest.fixture
def run(make_run):
    return make_run()
