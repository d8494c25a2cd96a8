"""The exported file is there with its card, and what cannot be is one line."""

import json


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
    assert f"{change:+.4f}" in out
    assert card["notice"] == "Research use only, not a medical device."


def test_what_cannot_be_is_one_line(command, run_dir, tmp_path):
    for settings, says in (
        ({"format": "tflite"}, "format=tflite is not known; choose onnx, openvino"),
        ({"format": "openvino"}, "its name ends in .xml"),
        ({"precision": "int8"}, "precision='int8' is not known to engine=onnx"),
        ({"run": tmp_path}, "is not a run"),
        ({"root": tmp_path}, "cannot read frame"),
    ):
        settings = {"run": run_dir, "format": "onnx", "out": tmp_path / "model.onnx", "workers": 0, **settings}
        status, _, err = command("export.py", **settings)
        assert status == 1
        assert says in err
        assert "Traceback" not in err
    assert not list(tmp_path.iterdir())
