"""A sweep over one number, with a training that takes no time."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from capsight.learning.sweep import process, worker
from capsight.learning.sweep.space import Parameter
from capsight.learning.sweep.study import begin_sweep, build_pruner

FAKE = [sys.executable, str(Path(__file__).with_name("fake_train.py"))]


@pytest.fixture(scope="session")
def frames(tmp_path_factory) -> Path:
    """Predictions of one finding in ten qualities, the last one perfect."""
    folder, rng = tmp_path_factory.mktemp("frames"), np.random.default_rng(0)
    labels, noise = rng.random(120) < 0.5, rng.normal(size=120)
    for quality in range(10):
        table = {"patient": np.arange(120) // 10, "device": "d", "label_polyp": labels.astype(float)}
        logits = quality * labels + (9 - quality) * noise
        pd.DataFrame(table | {"logit_polyp": logits}).astype({"patient": str}).to_parquet(folder / f"{quality}.parquet")
    return folder


@pytest.fixture
def begin(frames, tmp_path, monkeypatch):
    """Begin a sweep of the fake training, or go on with it."""
    monkeypatch.setattr(process, "POLL", 0.05)
    monkeypatch.setattr(worker, "POLL", 0.05)

    def start(out=tmp_path / "sweep", storage=None, settings=(), pruner="none", high=1.0, name="fake", **changed):
        space = [Parameter("x", "x", "float", 0.0, high)]
        out.mkdir(exist_ok=True)
        told = {"metric": "auroc", "sampler": "tpe", "seed": 0, "defaults": {"x": 0.45}} | changed
        told |= {
            "settings": [f"frames={frames}", *settings],
            "pruner": build_pruner(pruner, epochs=1, trials=1, factor=2),
        }
        return begin_sweep(out, storage or f"sqlite:///{out / 'study.db'}", name, space=space, **told)

    return start
