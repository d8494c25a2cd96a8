import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score, roc_curve

from capsight.errors import UserError
from capsight.evaluation.bootstrap import draw_patients
from capsight.evaluation.changes import NUMBERS, changes


def predictions(seed, skill, patients=12, frames=10):
    truth = np.random.default_rng(0).integers(0, 2, patients * frames)
    scores = np.random.default_rng(seed).normal(size=len(truth)) + skill * truth
    table = pd.DataFrame({"path": [f"{i:03d}" for i in range(len(truth))], "logit_polyp": scores, "device": "d"})
    table = table.assign(probability_polyp=1 / (1 + np.exp(-scores)))
    return table.assign(patient=np.repeat([f"p{i}" for i in range(patients)], frames), label_polyp=truth)


def sensitivity(truth, scores, specificity):
    false_positive, true_positive, _ = roc_curve(truth, scores, drop_intermediate=False)
    return true_positive[false_positive <= 1 - specificity + 1e-9].max()


TWINS = {
    "auroc": lambda t: roc_auc_score(t["label_polyp"], t["logit_polyp"]),
    "average_precision": lambda t: average_precision_score(t["label_polyp"], t["logit_polyp"]),
    "f1": lambda t: f1_score(t["label_polyp"], t["probability_polyp"] >= 0.6),
    "sensitivity_at_specificity_0.90": lambda t: sensitivity(t["label_polyp"], t["logit_polyp"], 0.9),
}


@pytest.mark.parametrize("number", TWINS)
def test_a_change_is_paired_and_equals_the_plain_loop(number):
    before, after = predictions(1, 0.5), predictions(2, 1.5)
    result = changes(before, after, ["polyp"], thresholds={"polyp": 0.6}, resamples=30)["polyp"][number]
    assert result["before"] == pytest.approx(TWINS[number](before))
    assert result["after"] == pytest.approx(TWINS[number](after))
    assert result["change"]["value"] == pytest.approx(result["after"] - result["before"])
    drawn = draw_patients(before["patient"], 30, 0)
    loop = []
    for weights in drawn.weights[1:]:
        rows = np.repeat(np.arange(len(before)), weights[drawn.group].astype(int))
        loop.append(TWINS[number](after.iloc[rows]) - TWINS[number](before.iloc[rows]))
    assert result["change"]["low"] == pytest.approx(np.quantile(loop, 0.025))
    assert result["change"]["high"] == pytest.approx(np.quantile(loop, 0.975))


def test_nothing_changes_against_itself():
    table = predictions(1, 1)
    result = changes(table, table, ["polyp"], resamples=20)
    assert set(result["polyp"]) == set(NUMBERS)
    for number in result["polyp"].values():
        assert [number["change"][name] for name in ("value", "low", "high")] == [0, 0, 0]


def test_what_cannot_be_measured_is_null_with_a_reason():
    table = predictions(1, 1).assign(label_polyp=1)
    result = changes(table, table, ["polyp"], resamples=5)["polyp"]["auroc"]
    assert (result["before"], result["after"], result["change"]["value"]) == (None, None, None)
    assert result["change"]["reason"] == "one class only"


def test_other_frames_are_refused():
    table = predictions(1, 1)
    with pytest.raises(UserError, match="of different ones"):
        changes(table, table.iloc[::-1], ["polyp"])
