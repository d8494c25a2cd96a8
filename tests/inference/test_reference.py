import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from capsight.data.outsiders import KINDS
from capsight.errors import UserError
from capsight.evaluation.trust.likeness import SCORES, fit_likeness
from capsight.inference.predict import write_predictions
from capsight.inference.reference import (
    Predicted,
    Reference,
    add_likeness,
    join_references,
    predict_outsiders,
    read_predictions,
)
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import Run


def test_outsiders_are_predicted_like_frames():
    torch.manual_seed(0)
    learner = FrameLearner(findings=["polyp", "bleeding"], backbone="resnet10t").eval()
    outsiders = predict_outsiders(learner, 32)
    assert set(outsiders.table["device"]) == set(KINDS)
    assert outsiders.table["label_polyp"].isna().all()
    assert outsiders.embeddings.shape == (len(outsiders.table), learner.network.backbone.width)
    bank = np.random.default_rng(0).normal(size=(30, outsiders.embeddings.shape[1]))
    table = add_likeness(outsiders, fit_likeness(bank), ["polyp", "bleeding"])
    assert np.isfinite(table[list(SCORES)].to_numpy()).all()


def test_an_ensemble_keeps_the_training_frames_that_all_members_kept():
    def reference(paths, value):
        table = pd.DataFrame({"path": paths, "label_polyp": pd.array([1] * len(paths), "Int8")})
        table = table.assign(logit_polyp=0.0, probability_polyp=0.5)
        part = Predicted(table, np.array([[ord(path) * value] for path in paths], dtype=float))
        one = Predicted(table.head(1), part.embeddings[:1])
        return Reference(one, part, one)

    joined = join_references([reference(["x", "b", "c"], 1), reference(["x", "c", "d", "b"], 10)], ["polyp"])
    assert joined.training.table["path"].tolist() == ["b", "c", "x"]
    np.testing.assert_array_equal(joined.training.embeddings, [[98, 980], [99, 990], [120, 1200]])


def test_a_run_that_kept_nothing_is_no_finished_run(tmp_path):
    run = Run(tmp_path, OmegaConf.create({"data": {"findings": ["polyp"]}}), None)
    with pytest.raises(UserError, match="not a finished run.*validation.*resume=auto"):
        read_predictions(run, "validation")


@pytest.mark.parametrize("damage", ["empty", "short", "column"])
def test_damaged_predictions_are_no_finished_run(tmp_path, damage):
    run = Run(tmp_path, OmegaConf.create({"data": {"findings": ["polyp"]}}), None)
    table = pd.DataFrame({"path": ["a", "b"], "patient": ["p", "q"], "device": ["d", "d"], "label_polyp": [1, 0]})
    table = table.assign(logit_polyp=0.0, probability_polyp=0.5)
    write_predictions(tmp_path / "training", table, np.zeros((2, 3)))
    assert len(read_predictions(run, "training").table) == 2
    if damage == "empty":
        (tmp_path / "training" / "embeddings.npy").write_bytes(b"")
    elif damage == "short":
        np.save(tmp_path / "training" / "embeddings.npy", np.zeros((1, 3)))
    else:
        table.drop(columns="logit_polyp").to_parquet(tmp_path / "training" / "predictions.parquet")
    with pytest.raises(UserError, match="training frames are missing or damaged"):
        read_predictions(run, "training")


def test_members_with_other_training_frames_are_refused():
    def reference(start):
        paths = [f"{i}" for i in range(start, start + 300)]
        table = pd.DataFrame({"path": paths, "label_polyp": 1, "logit_polyp": 0.0, "probability_polyp": 0.5})
        part = Predicted(table, np.zeros((300, 1)))
        return Reference(part, part, part)

    with pytest.raises(UserError, match="kept 100 of the same training frames, too few"):
        join_references([reference(0), reference(200)], ["polyp"])
