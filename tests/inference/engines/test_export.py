"""An exported file is whole, says what it is, and is computed without this project."""

import json

import numpy as np
import pytest
import torch

from capsight.errors import UserError
from capsight.inference.engines import export as exporting
from capsight.inference.engines.card import card_file
from capsight.inference.engines.export import export
from capsight.inference.engines.onnx_engine import to_onnx
from capsight.inference.engines.openvino_engine import OpenVinoEngine, openvino, to_openvino
from capsight.learning.frame_learner import FrameLearner

from .conftest import FINDINGS, SIZE


def expected(run, frames):
    with torch.no_grad():
        return run.learner()(torch.from_numpy(frames)).numpy()


def test_onnx_runs_without_this_project(run, tmp_path):
    import onnxruntime

    file = tmp_path / "model.onnx"
    card = export(run, run.learner(), file, format="onnx", precision="fp32")
    assert card["logits_differ_by"] < 1e-4
    session = onnxruntime.InferenceSession(file)
    inside = session.get_modelmeta().custom_metadata_map
    assert inside["notice"] == "Research use only, not a medical device."
    assert json.loads(inside["capsight"])["findings"] == FINDINGS == card["findings"]
    assert json.loads(card_file(file).read_text()) == card
    for n in (1, 2, 5):
        frames = np.random.default_rng(n).random((n, 3, SIZE, SIZE), dtype=np.float32)
        logits, embedding = session.run(["logits", "embedding"], {"frames": frames})
        np.testing.assert_allclose(logits, expected(run, frames), atol=1e-4)
        assert embedding.shape == (n, 8)


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-4), ("int8", 0.02)])
def test_openvino_runs_without_this_project(run, tmp_path, precision, tolerance):
    file = tmp_path / "model.xml"
    card = export(run, run.learner(), file, format="openvino", precision=precision)
    model = openvino().Core().read_model(file)
    assert json.loads(model.get_rt_info("capsight").astype(str))["precision"] == precision
    quantised = [op for op in model.get_ops() if op.get_type_name() == "FakeQuantize"]
    assert bool(quantised) == (precision == "int8")
    assert card.get("calibration") == ({"frames": 8, "split": "val"} if precision == "int8" else None)
    compiled = openvino().Core().compile_model(model, "CPU", card["compile"])
    frames = exporting._read(run, run.frames("val"), tmp_path, 0, "error")[0].numpy().astype(np.float32) / 255
    for n in (1, 8):  # in 8-bit integers an untrained network is far off; the card says how far
        differs = np.abs(compiled(frames[:n])["logits"] - expected(run, frames[:n])).max()
        assert differs <= card["logits_differ_by"] + tolerance
    assert differs == pytest.approx(card["logits_differ_by"], abs=tolerance)
    assert {path.name for path in tmp_path.glob("*model*")} == {"model.xml", "model.bin", "model.xml.json"}


def test_frames_that_reach_farther_than_others_are_not_cut_off():
    torch.manual_seed(0)
    learner = FrameLearner(findings=FINDINGS, backbone="resnet10t", image_size=SIZE).eval()
    bright = torch.rand(1, 3, SIZE, SIZE)
    dim = [0.2 * torch.rand(1, 3, SIZE, SIZE) for _ in range(19)]
    engine = OpenVinoEngine(to_openvino(to_onnx(learner, SIZE, {"notice": ""}), {}, [*dim, bright]), "int8")
    with torch.no_grad():  # where ranges are means over the frames, it differs by 0.05
        torch.testing.assert_close(engine(bright)[1], learner(bright), atol=0.01, rtol=0)


def test_test_frames_are_not_looked_at(run, tmp_path):
    run.manifest["split"] = ["val"] * 4 + ["test"] * 4
    for i in range(4, 8):
        (tmp_path / f"{i}.png").unlink()
    card = export(run, run.learner(), tmp_path / "model.xml", format="openvino", precision="int8")
    assert card["calibration"]["frames"] == 4


def test_what_differs_is_not_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    for format, file in (("onnx", "model.onnx"), ("openvino", "model.xml")):
        with pytest.raises(UserError, match="nothing is written"):
            export(run, run.learner(), tmp_path / file, format=format, precision="fp32")
    assert not list(tmp_path.glob("*model*"))


def test_an_unfinished_run_is_not_exported(run, tmp_path):
    (run.dir / "trust.json").unlink()
    with pytest.raises(UserError, match="not a finished run"):
        export(run, run.learner(), tmp_path / "model.onnx", format="onnx", precision="fp32")
