import json
import shutil

import numpy as np
import pandas as pd
import torch

from capsight.data.manifest import read_manifest, write_manifest
from capsight.evaluation.uncertainty import COLUMNS
from capsight.learning.run import read_run

PASSES = {"trust.passes": 5}  # as in the small run


def test_the_runs_own_test_frames_give_the_runs_own_numbers(command, run_dir, tmp_path):
    status, out, err = command("evaluate.py", run=run_dir, out=tmp_path, workers=0, **PASSES)
    assert status == 0, err
    for name in ("predictions.parquet", "embeddings.npy", "metrics.json", "trust.json", "report.html"):
        assert (tmp_path / name).is_file()
    again = pd.read_parquet(tmp_path / "predictions.parquet")
    pd.testing.assert_frame_equal(again, pd.read_parquet(run_dir / "predictions.parquet"))
    for name in ("metrics.json", "trust.json"):
        assert json.loads((tmp_path / name).read_text()) == json.loads((run_dir / name).read_text())
    assert "polyp" in out


def test_predictions_say_how_sure_they_are(run_dir):
    predictions = pd.read_parquet(run_dir / "predictions.parquet")
    for column in COLUMNS:
        assert np.isfinite(predictions[f"{column}_polyp"]).all()
    assert (predictions["standard_deviation_polyp"] > 0).all()
    assert np.isfinite(predictions[["knn_distance", "mahalanobis_distance", "energy"]].to_numpy()).all()
    run = read_run(run_dir)
    validation, training = (
        pd.read_parquet(run_dir / part / "predictions.parquet") for part in ("validation", "training")
    )
    assert validation["path"].tolist() == run.frames("val")["path"].tolist()
    assert set(training["path"]) <= set(run.frames("train")["path"])
    metrics = json.loads((run_dir / "metrics.json").read_text())
    for block in (metrics, metrics["by_device"]["phantom_7"]):
        assert {"calibration", "selective", "conformal", "ood", "operating_points"} <= block.keys()


def test_a_calibration_that_cannot_be_fitted_is_told(command, run_dir, tmp_path):
    status, _, err = command(
        "evaluate.py", run=run_dir, out=tmp_path, workers=0, **{"trust.calibration": "platt", **PASSES}
    )
    assert status == 0, err
    assert json.loads((tmp_path / "trust.json").read_text())["calibration"]["polyp"] == {"reason": "too few frames"}
    assert "not calibrated, because platt scaling could not be fitted" in (tmp_path / "report.html").read_text()


def test_an_ensemble_of_runs(command, run_dir, tmp_path):
    shutil.copytree(run_dir, tmp_path / "second")
    status, _, err = command(
        "evaluate.py", run=f"[{run_dir},{tmp_path / 'second'}]", out=tmp_path / "out", workers=0, **PASSES
    )
    assert status == 0, err
    together, alone = (pd.read_parquet(folder / "predictions.parquet") for folder in (tmp_path / "out", run_dir))
    np.testing.assert_allclose(together["probability_polyp"], alone["probability_polyp"], atol=1e-6)
    assert (together["mutual_information_polyp"] == 0).all()  # the same member twice never disagrees
    width = np.load(run_dir / "embeddings.npy").shape[1]
    assert np.load(tmp_path / "out" / "embeddings.npy").shape[1] == 2 * width
    status, _, err = command("evaluate.py", run=f"[{run_dir},{run_dir}]", out=tmp_path / "out", workers=0)
    assert status == 1
    assert "the same run twice" in err


def test_a_manifest_that_knows_less_leaves_labels_unknown(command, run_dir, tmp_path):
    run = read_run(run_dir)
    table = run.frames("test").drop(columns=["bleeding", "inflammation", "content", "split"]).head(20)
    table["patient"] = pd.array([pd.NA] * len(table), dtype="string")
    table["device"] = "PillCam SB3"
    write_manifest(table, tmp_path / "other.csv")
    root = run.config.data.root
    status, _, err = command(
        "evaluate.py", run=run_dir, manifest=tmp_path / "other.csv", root=root, out=tmp_path / "out", workers=0
    )
    assert status == 0, err
    predictions = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert predictions["label_bleeding"].isna().all()
    assert predictions["label_polyp"].notna().any()
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["findings"]["bleeding"]["auroc"]["value"] is None
    assert metrics["findings"]["bleeding"]["auroc"]["reason"]
    auroc = metrics["findings"]["polyp"]["auroc"]
    assert auroc["low"] is None
    assert auroc["reason"]
    assert list(metrics["by_device"]) == ["pillcam_sb3"]


def test_ten_crops(command, run_dir, tmp_path):
    status, _, err = command("evaluate.py", run=run_dir, out=tmp_path, workers=0, crops=10)
    assert status == 0, err
    averaged = pd.read_parquet(tmp_path / "predictions.parquet")["logit_polyp"]
    assert not np.allclose(averaged, pd.read_parquet(run_dir / "predictions.parquet")["logit_polyp"])


def test_frames_of_the_training_are_warned_of(command, run_dir, tmp_path):
    root = read_run(run_dir).config.data.root
    status, _, err = command(
        "evaluate.py", run=run_dir, manifest=f"{root}/manifest.csv", root=root, out=tmp_path, workers=0
    )
    assert status == 0, err
    assert "the numbers are too good" in (tmp_path / "report.html").read_text()
    assert "the numbers are too good" not in (run_dir / "report.html").read_text()


def test_skipped_frames_are_listed(command, run_dir, tmp_path):
    table = read_run(run_dir).frames("test").head(4)
    table.loc[0, "path"] = "gone.jpg"
    write_manifest(table, tmp_path / "m.csv")
    root = read_run(run_dir).config.data.root
    settings = {"run": run_dir, "manifest": tmp_path / "m.csv", "root": root, "out": tmp_path / "out", "workers": 0}
    status, _, err = command("evaluate.py", on_bad_frame="skip", **settings)
    assert status == 0, err
    assert json.loads((tmp_path / "out" / "skipped.json").read_text())["skipped"][0].endswith("gone.jpg")
    assert "gone.jpg" in (tmp_path / "out" / "report.html").read_text()


def test_half_a_run_is_one_line(command, run_dir, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name in ("config.yaml", "facts.json", "manifest.parquet", "checkpoints/best.ckpt"):
        (tmp_path / name).write_bytes((run_dir / name).read_bytes())
    status, _, err = command("evaluate.py", run=tmp_path, out=tmp_path / "out", workers=0)
    assert status == 1
    assert "not a finished run" in err
    assert not (tmp_path / "out").exists()


def test_what_is_not_there_is_one_line(command, run_dir, tmp_path):
    manifest = tmp_path / "m.csv"
    write_manifest(read_run(run_dir).frames("test").head(3), manifest)
    for settings, says in (
        ({"run": tmp_path}, "is not a run"),
        ({"run": run_dir, "manifest": manifest}, "root is missing"),
        ({"run": run_dir, "manifest": tmp_path / "no.csv", "root": tmp_path}, "there is no manifest"),
        ({"run": run_dir, "manifest": manifest, "root": tmp_path}, "cannot read frame"),
        ({"run": run_dir, "precision": "fp8"}, "precision='fp8'"),
        ({"run": run_dir, "trust.passes": -1}, "trust.passes=-1"),
        ({"run": run_dir, "workers": -1}, "workers=-1"),
        ({"run": run_dir, "manifest": manifest, "root": tmp_path, "out": run_dir}, "own test it would replace"),
        ({"run": run_dir, "trust.coverage": "[1.5]"}, "trust.coverage=[1.5]"),
        ({"run": run_dir, "trust.calibration": "magic"}, "trust.calibration=magic"),
    ):
        status, _, err = command("evaluate.py", **{"out": tmp_path / "out", "workers": 0, **settings})
        assert status == 1
        assert says in err
        assert "Traceback" not in err
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_a_checkpoint_with_code_is_refused(command, run_dir, tmp_path):
    class Code:
        def __reduce__(self):
            return print, ("code ran",)

    for name in ("config.yaml", "facts.json", "manifest.parquet"):
        (tmp_path / name).write_bytes((run_dir / name).read_bytes())
    (tmp_path / "checkpoints").mkdir()
    torch.save({"state_dict": Code()}, tmp_path / "checkpoints" / "best.ckpt")
    status, out, err = command("evaluate.py", run=tmp_path, out=tmp_path / "out", workers=0)
    assert status == 1
    assert "code ran" not in out
    assert "not loaded" in err


def test_the_runs_manifest_is_a_manifest(run_dir):
    assert set(read_manifest(run_dir / "manifest.parquet")["split"]) == {"train", "val", "test"}
