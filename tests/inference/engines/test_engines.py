"""Every engine computes the same network, is exported once, and says in one line what it cannot do."""

import sys

import pytest
import torch

from capsight.errors import UserError
from capsight.inference.engines import open_engine
from capsight.inference.engines.card import card_file, read_card
from capsight.inference.predict import predict

from .conftest import SIZE

ENGINES = [("torch", "fp32"), ("torch", "bf16"), ("onnx", "auto"), ("openvino", "fp32"), ("openvino", "bf16")]


@pytest.mark.parametrize(("engine", "precision"), ENGINES)
def test_every_engine_computes_the_same_network(run, engine, precision):
    learner = run.learner()
    opened = open_engine(run, learner, engine, precision=precision)
    for n in (1, 2, 5):
        images = torch.randint(256, (n, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.manual_seed(n))
        with torch.no_grad():
            embedding = run.learner().network.embed(images)
            logits = learner.cpu().logits(embedding)
        tolerance = 1e-4 if opened.precision == "fp32" else 0.05
        for given in (images, images / 255):
            its_embedding, its_logits = opened(given)
            torch.testing.assert_close(its_embedding.cpu(), embedding, atol=tolerance, rtol=0)
            torch.testing.assert_close(its_logits.cpu(), logits, atol=tolerance, rtol=0)


def test_passes_are_of_the_head_on_the_engines_embedding(run):
    learner, table = run.learner(), run.frames("val")
    engine = open_engine(run, learner, "onnx")
    settings = {"image_size": SIZE, "passes": 5, "precision": "fp32"}
    ours, _, _ = predict(learner, table, run.config.data.root, **settings)
    its, _, _ = predict(learner, table, run.config.data.root, engine=engine, **settings)
    numbers = ours.columns.drop(["path", "patient", "video", "device", "split"])
    torch.testing.assert_close(
        torch.tensor(ours[numbers].to_numpy(float)), torch.tensor(its[numbers].to_numpy(float)), atol=1e-4, rtol=0
    )
    assert (its["standard_deviation_polyp"] > 0).all()
    with pytest.raises(UserError, match="which onnx cannot; use trust.deep=false"):
        predict(learner, table, run.config.data.root, engine=engine, deep=True, **settings)


def test_ten_crops_by_an_engine(run):
    learner, table = run.learner(), run.frames("val")
    settings = {"image_size": SIZE, "crops": 10, "precision": "fp32"}
    ours = predict(learner, table, run.config.data.root, **settings)[1]
    its = predict(learner, table, run.config.data.root, engine=open_engine(run, learner, "onnx"), **settings)[1]
    torch.testing.assert_close(torch.tensor(its), torch.tensor(ours), atol=1e-4, rtol=0)


def test_exported_once_and_again_for_other_weights(make_run):
    run = make_run()
    open_engine(run, run.learner(), "onnx")
    file = run.dir / "engines" / "onnx_fp32.onnx"
    made, card = file.stat().st_mtime_ns, read_card(file)
    assert card["thresholds"] == {"polyp": 0.5, "bleeding": 0.25}
    open_engine(run, run.learner(), "onnx")
    assert file.stat().st_mtime_ns == made
    run = make_run(seed=1)
    open_engine(run, run.learner(), "onnx")
    assert file.stat().st_mtime_ns > made
    assert read_card(file)["run"]["weights"] != card["run"]["weights"]
    made = file.stat().st_mtime_ns
    card_file(file).write_text("{")  # as a killed process or a stranger leaves it
    open_engine(run, run.learner(), "onnx")
    assert file.stat().st_mtime_ns > made


def test_what_cannot_be_is_one_line(run, monkeypatch):
    learner = run.learner()
    with pytest.raises(UserError, match="engine=tensorrt is not known; choose torch, onnx, openvino"):
        open_engine(run, learner, "tensorrt")
    with pytest.raises(UserError, match="precision='int8' is not known to engine=onnx"):
        open_engine(run, learner, "onnx", precision="int8")
    with pytest.raises(UserError, match="adapts to the frames that it predicts"):
        run.config.adaptation = {"tent": {}}
        open_engine(run, learner, "onnx")
    run.config.adaptation = {}
    with pytest.raises(UserError, match="cannot read frame"):
        open_engine(run, learner, "onnx", root=run.dir)
    assert not list((run.dir / "engines").glob("*.onnx*"))
    open_engine(run, learner, "onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"needs the package onnxruntime.*capsight\[engines\]"):
        open_engine(run, learner, "onnx")


@pytest.mark.parametrize(("engine", "file"), [("onnx", "onnx_fp32.onnx"), ("openvino", "openvino_fp32.xml")])
def test_a_damaged_file_is_one_line(run, engine, file):
    learner = run.learner()
    open_engine(run, learner, engine, precision="fp32")
    (run.dir / "engines" / file).write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot load .*delete it"):
        open_engine(run, learner, engine, precision="fp32")


def test_openvino_sends_no_telemetry(run):
    open_engine(run, run.learner(), "openvino", precision="fp32")
    assert sys.modules["openvino_telemetry"] is None
