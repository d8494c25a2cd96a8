"""The exported file is there with its card, and what cannot be is one line."""

import json
import sys

import numpy as np
import pandas as pd
import pytest


def test_export(command, run_dir, tmp_path):
    status, out, err = command("export.py", run=run_dir, format="onnx", out=tmp_path / "model.onnx", workers=0)
    assert status == 0, err
    assert "logits differ from PyTorch's in float32 by at most" in out
    assert (tmp_path / "model.onnx").is_file()
    file = tmp_path / "model.xml"
    status, out, err = command("export.py", run=run_dir, format="openvino", precision="int8", out=file, workers=0)
    assert status == 0, err
    card = json.loads((tmp_path / "model.xml.json").read_text())
    change = card["changes"]["findings"]["polyp"]["auroc"]["change"]
    assert f"{change['value']:+.4f}" in out
    assert "Statistics" not in out  # NNCF's progress
    assert card["notice"] == "Research use only, not a medical device."


def test_evaluating_by_an_engine_leaves_the_same_files(command, run_dir, tmp_path):
    settings = {"run": run_dir, "out": tmp_path, "workers": 0, "engine": "onnx", "trust.passes": 5}
    status, _, err = command("evaluate.py", **settings)
    assert status == 0, err
    its, own = (pd.read_parquet(folder / "predictions.parquet") for folder in (tmp_path, run_dir))
    assert list(its) == list(own)
    np.testing.assert_allclose(its["logit_polyp"], own["logit_polyp"], atol=0.2)  # the run's own may be in bfloat16
    assert (its["standard_deviation_polyp"] > 0).all()
    for name in ("metrics.json", "trust.json", "embeddings.npy", "report.html"):
        assert (tmp_path / name).is_file()
    status, _, err = command("evaluate.py", **{**settings, "trust.deep": "true"})
    assert status == 1
    assert "deep dropout" in err


def test_what_cannot_be_is_one_line(command, run_dir, tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    for settings, says in (
        ({"format": "tflite"}, "format=tflite is not known; choose onnx, openvino"),
        ({"format": "openvino"}, "its name ends in .xml"),
        ({"precision": "int8"}, "precision='int8' is not known to engine=onnx"),
        ({"out": tmp_path / "folder.onnx"}, "is a folder"),
        ({"run": tmp_path}, "is not a run"),
        ({"run": f"[{run_dir},{run_dir}]"}, "an export is of one run"),
        ({"root": tmp_path}, "cannot read frame"),
    ):
        settings = {"run": run_dir, "format": "onnx", "out": tmp_path / "model.onnx", "workers": 0, **settings}
        status, _, err = command("export.py", **settings)
        assert status == 1
        assert says in err
        assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["folder.onnx"]


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_package_that_is_not_installed_is_one_line(command, run_dir, tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    file = tmp_path / "model.onnx"
    status, _, err = command("export.py", run=run_dir, format="onnx", out=file, workers=0)
    assert status == 1
    assert package in err
    assert "pip install 'capsight[engines]'" in err
    assert not list(tmp_path.iterdir())
