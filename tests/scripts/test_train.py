import json
import signal
import time

import numpy as np
import pandas as pd
import torch

from capsight.data.manifest import read_manifest
from capsight.learning.run import read_run

FILES = {
    "config.yaml",
    "manifest.parquet",
    "predictions.parquet",
    "embeddings.npy",
    "metrics.json",
    "report.html",
    "model_card.md",
    "checklist.md",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
}


def weights(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]


def test_a_run_holds_all_that_is_needed(run_dir):
    assert all((run_dir / name).is_file() for name in FILES)
    assert not list(run_dir.rglob("*.partial*"))
    manifest = read_manifest(run_dir / "manifest.parquet")
    test = manifest[manifest["split"] == "test"]
    predictions = pd.read_parquet(run_dir / "predictions.parquet")
    assert predictions["path"].tolist() == test["path"].tolist()
    assert len(np.load(run_dir / "embeddings.npy")) == len(test)
    assert manifest.groupby("patient")["split"].nunique().max() == 1
    assert set(manifest.loc[manifest["device"] == "phantom_7", "split"]) == {"test"}


def test_the_model_card_tells_the_numbers_of_metrics_json(run_dir):
    card, metrics = (run_dir / "model_card.md").read_text(), json.loads((run_dir / "metrics.json").read_text())
    for device in metrics["by_device"].values():
        auroc = device["findings"]["content"]["auroc"]
        if auroc["low"] is not None:
            assert f"{auroc['value']:.3f} ({auroc['low']:.3f} to {auroc['high']:.3f})" in card
    assert "phantom\\_7, never trained on" in card and metrics["notice"] in card


def test_metrics_keep_the_contract(run_dir):
    metrics = json.loads((run_dir / "metrics.json").read_text())
    assert {"n_frames", "n_patients", "findings", "by_device", "embedding"} <= metrics.keys()
    assert metrics["embedding"].keys() >= {"recall_at_1", "map_at_r"}
    polyp = metrics["findings"]["polyp"]
    assert polyp["auroc"].keys() >= {"value", "low", "high"}
    assert polyp["sensitivity_at_specificity"].keys() == {"0.95", "0.90", "0.80"}
    assert metrics["by_device"].keys() == {"phantom_1", "phantom_2", "phantom_7"}
    seen = [metrics["by_device"][name]["n_frames"] for name in ("phantom_1", "phantom_2")]
    assert metrics["seen_devices"]["n_frames"] == sum(seen) < metrics["n_frames"]


def test_the_test_uses_the_best_checkpoint_and_the_validation_thresholds(run_dir):
    run = read_run(run_dir)
    learner = run.learner()
    assert not learner.training
    best = torch.load(run.best, weights_only=True)["state_dict"]
    assert all(torch.equal(value, best[name]) for name, value in learner.state_dict().items())
    metrics = json.loads((run_dir / "metrics.json").read_text())
    for finding, threshold in run.trust()["thresholds"].items():
        assert metrics["findings"][finding]["threshold"] == (0.5 if threshold is None else threshold)


def test_killed_and_resumed_training_ends_with_the_same_weights(training, run_dir, tmp_path):
    killed = tmp_path / "killed"
    process = training(killed)
    deadline = time.monotonic() + 240
    while not (killed / "checkpoints" / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.1)  # into the second epoch
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "metrics.json").exists()
    reached = torch.load(killed / "checkpoints" / "last.ckpt", weights_only=True)["epoch"]
    assert reached < 2, "the training was over before it was killed"

    resumed = training(killed, resume="auto")
    _, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, err
    expected, actual = weights(run_dir), weights(killed)
    assert all(torch.equal(value, actual[name]) for name, value in expected.items())
    pd.testing.assert_frame_equal(
        pd.read_parquet(run_dir / "predictions.parquet"), pd.read_parquet(killed / "predictions.parquet")
    )


def test_a_finished_run_is_not_overwritten(training, run_dir):
    process = training(run_dir)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert err.strip().splitlines()[-1].startswith(f"error: {run_dir} holds a run already")


def test_a_run_is_not_resumed_with_other_settings(training, run_dir):
    process = training(run_dir, resume="auto", seed=7, **{"model.dropout": 0.5})
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "other settings (model.dropout, seed)" in err
