import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from capsight.errors import UserError
from capsight.lecture.label_efficiency import draw_labelled, label_efficiency, mean_auroc


def frames(patients=8, each=10):
    """A manifest in which patient 0 alone has blood, and polyps are here and there; some labels are unknown."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"patient": np.repeat([f"p{number}" for number in range(patients)], each)})
    table["polyp"] = pd.array(rng.integers(2, size=len(table)), "Int8")
    table["bleeding"] = pd.array((table["patient"] == "p0") & (table.index < 5), "Int8")
    table.loc[rng.choice(len(table), 9, replace=False), "polyp"] = pd.NA
    return table.assign(split="train")


def test_orders_begin_with_both_of_every_finding():
    table = frames()
    orders = draw_labelled(table, ["polyp", "bleeding"], [3, 2, 5], draws=6, seed=0)
    assert len(orders) == 6 and len({tuple(order) for order in orders}) == 6
    for order in orders:
        assert sorted(order) == sorted(table["patient"].unique())
        assert "p0" in order[:2]
    assert orders == draw_labelled(table, ["polyp", "bleeding"], [2, 5], draws=6, seed=0)
    assert orders != draw_labelled(table, ["polyp", "bleeding"], [2, 5], draws=6, seed=1)


def test_only_training_patients_are_labelled():
    table = frames()
    table.loc[table["patient"].isin(["p3", "p4"]), "split"] = "test"
    table.loc[table["patient"] == "p5", "split"] = "val"
    (order,) = draw_labelled(table, ["polyp"], [1], draws=1, seed=0)
    assert sorted(order) == ["p0", "p1", "p2", "p6", "p7"]


@pytest.mark.parametrize(("sizes", "text"), [([2, 9], "asks for 9 patients, but 8 are there"), ([1], "hardly ever")])
def test_too_few_patients_are_named(sizes, text):
    table = frames()
    table.loc[table["patient"] == "p0", "polyp"] = 1  # so no patient has both of both findings
    with pytest.raises(UserError, match=text):
        draw_labelled(table, ["polyp", "bleeding"], sizes, draws=1, seed=0)


def test_means_are_those_of_scikit_learn():
    table, random = frames(), torch.Generator().manual_seed(0)
    findings, logits = ["polyp", "bleeding"], torch.randn(80, 2, generator=random)
    known, scores = table["polyp"].notna().to_numpy(), logits.numpy()
    expected = [
        roc_auc_score(table["polyp"][known].astype(int), scores[known, 0]),
        roc_auc_score(table["bleeding"].astype(int), scores[:, 1]),
    ]
    assert mean_auroc(table, findings, logits) == pytest.approx(np.mean(expected))
    table["bleeding"] = 0
    assert mean_auroc(table, findings, logits) == pytest.approx(expected[0])
    table["polyp"] = pd.array([pd.NA] * len(table), "Int8")
    assert np.isnan(mean_auroc(table, findings, logits))


def test_differences_are_paired():
    table, random = frames(), torch.Generator().manual_seed(0)
    draws = [torch.randn(80, 2, generator=random) for _ in range(2)]
    truth = torch.from_numpy(table[["polyp", "bleeding"]].to_numpy("float32", na_value=0.0))
    logits = {"chance": {2: draws, 8: draws}, "same": {2: draws, 8: draws}, "better": {2: draws, 8: [truth, truth]}}
    numbers = label_efficiency(table, ["polyp", "bleeding"], logits, seed=0)
    assert set(numbers["mean_auroc"]) == set(numbers["auroc"]) == set(numbers["by_draw"]) == set(logits)
    assert set(numbers["mean_minus_chance"]) == set(numbers["minus_chance"]) == {"same", "better"}
    nothing = numbers["minus_chance"]["same"]["polyp"]["8"]
    assert nothing["value"] == nothing["low"] == nothing["high"] == 0  # the same patients are drawn on both sides
    assert numbers["minus_chance"]["better"]["polyp"]["8"]["low"] > 0
    assert numbers["auroc"]["better"]["polyp"]["8"]["value"] == 1
    blood = numbers["auroc"]["chance"]["bleeding"]["2"]
    assert blood["low"] is None and blood["reason"] == "fewer than three patients"
    expected = np.mean([mean_auroc(table, ["polyp"], draw[:, :1]) for draw in draws])
    assert numbers["auroc"]["chance"]["polyp"]["2"]["value"] == pytest.approx(expected)
    both = [mean_auroc(table, ["polyp", "bleeding"], draw) for draw in draws]
    assert numbers["by_draw"]["chance"]["2"] == pytest.approx(both)
    assert numbers["mean_auroc"]["chance"]["2"]["value"] == pytest.approx(np.mean(both))


def test_a_finding_that_nobody_has_is_not_measured():
    table = frames().assign(worms=pd.array([0] * 80, "Int8"))
    logits = {"chance": {2: [torch.randn(80, 2, generator=torch.Generator().manual_seed(0))]}}
    numbers = label_efficiency(table, ["polyp", "worms"], logits, seed=0)
    assert numbers["auroc"]["chance"]["worms"]["2"] == dict.fromkeys(("value", "low", "high")) | {
        "reason": "one class only"
    }
    assert numbers["mean_auroc"]["chance"]["2"]["n_findings"] == 1
