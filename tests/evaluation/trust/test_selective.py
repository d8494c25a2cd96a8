"""Selective prediction against loops over coverages, orders and resamples with repeated frames."""

import json
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score

from capsight.evaluation.bootstrap import draw_patients
from capsight.evaluation.predictions import Scored
from capsight.evaluation.statistics import ranking_statistics
from capsight.evaluation.trust import selective
from capsight.evaluation.trust.selective import COVERAGES, measure_selective, referral_statistics, risk_statistics

SHARES = (0.0, 0.05, 0.1, 0.2)
ALONE = {"group": np.zeros(200, int), "weights": np.ones((1, 1))}


def predictions(seed: int = 0, n: int = 400, patients: int = 12, columns: bool = True) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    patient = rng.integers(patients, size=n)
    labels = rng.random(n) < 0.25
    logits = rng.normal(size=patients)[patient] / 2 + 2 * labels - 2 + rng.normal(size=n)
    table = pd.DataFrame({"patient": [f"p{i}" for i in patient], "label_polyp": labels, "logit_polyp": logits})
    if columns:
        table["predictive_entropy_polyp"] = -np.abs(logits) + rng.normal(size=n)
        table["mutual_information_polyp"] = rng.random(n).round(1)
        table["knn_distance"] = rng.random(n)
    return table.astype({"patient": "string", "label_polyp": "Int8"})


def measured(table: pd.DataFrame, threshold: float | None = -1.0, resamples: int = 40, **options) -> dict:
    patients = draw_patients(table["patient"], resamples, 0)
    return measure_selective(table, patients, "polyp", threshold, "specificity 0.90", **options)


def drawn_rows(weight: np.ndarray, group: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(group)), weight[group].astype(int))


def risks(wrong: np.ndarray) -> np.ndarray:
    """The risk of the first 1, 2, … and all frames, the most certain first."""
    return np.cumsum(wrong) / np.arange(1, len(wrong) + 1)


def kept(n: int, coverage: float) -> int:
    return n - int((1 - coverage) * n + 1e-6)


@pytest.mark.parametrize("levels", [None, 4, 1, 0])
@pytest.mark.parametrize("cells", [1 << 20, 64])
def test_risk_agrees_with_a_loop_over_coverages_under_every_weighting(levels, cells, monkeypatch):
    monkeypatch.setattr(selective, "CELLS", cells)
    rng = np.random.default_rng(0)
    uncertainty, wrong = rng.normal(size=200), rng.random(200) < 0.15
    uncertainty = uncertainty if levels is None else np.round(uncertainty * levels)
    patients = draw_patients(rng.integers(12, size=200), 25, 0)
    aurc, best, risk = risk_statistics(wrong, uncertainty, patients.group, patients.weights, COVERAGES)
    for row, weight in enumerate(patients.weights):
        rows = drawn_rows(weight, patients.group)
        # Each of several tied frames is as wrong as they are on average.
        mean = pd.Series(wrong[rows].astype(float)).groupby(uncertainty[rows]).transform("mean").to_numpy()
        expected = risks(mean[np.argsort(uncertainty[rows], kind="stable")])
        assert aurc[row] == pytest.approx(expected.mean(), abs=1e-12)
        assert best[row] == pytest.approx(risks(np.sort(wrong[rows])).mean(), abs=1e-12)
        assert risk[row] == pytest.approx([expected[kept(len(rows), c) - 1] for c in COVERAGES], abs=1e-12)


def test_ties_count_as_in_the_mean_over_all_their_orders():
    uncertainty, wrong = np.array([0, 0, 0, 1, 1, 2]), np.array([True, False, False, True, False, True])
    orders = [p for p in permutations(range(6)) if (np.diff(uncertainty[list(p)]) >= 0).all()]
    expected = np.mean([risks(wrong[list(order)]) for order in orders], axis=0)
    coverages = np.arange(1, 7) / 6
    aurc, _, risk = risk_statistics(wrong, uncertainty, np.zeros(6, int), np.ones((1, 1)), coverages)
    assert aurc[0] == pytest.approx(expected.mean())
    assert risk[0] == pytest.approx(expected)


def test_constant_perfect_and_random_scores():
    rng = np.random.default_rng(0)
    wrong = rng.random(200) < 0.2
    aurc, best, risk = risk_statistics(wrong, np.full(200, 3.0), **ALONE, coverages=COVERAGES)
    assert aurc[0] == pytest.approx(wrong.mean())
    assert risk[0] == pytest.approx(np.full(len(COVERAGES), wrong.mean()))
    aurc, best, _ = risk_statistics(wrong, wrong + rng.random(200) / 2, **ALONE, coverages=COVERAGES)
    assert aurc[0] - best[0] == pytest.approx(0, abs=1e-12)
    every = [risk_statistics(wrong, rng.random(200), **ALONE, coverages=[1.0])[0][0] for _ in range(300)]
    assert np.mean(every) == pytest.approx(wrong.mean(), abs=0.01)


@pytest.mark.parametrize("all_wrong", [False, True])
def test_decisions_that_are_all_right_or_all_wrong(all_wrong):
    uncertainty = np.random.default_rng(0).random(200)
    aurc, best, risk = risk_statistics(np.full(200, all_wrong), uncertainty, **ALONE, coverages=COVERAGES)
    assert aurc[0] == pytest.approx(float(all_wrong))
    assert best[0] == pytest.approx(float(all_wrong))
    assert risk[0] == pytest.approx(np.full(len(COVERAGES), float(all_wrong)))


def test_a_weighting_without_frames_is_nan():
    weights = np.array([[1.0, 1], [0, 2]])
    aurc, best, risk = risk_statistics(np.array([True, False]), np.arange(2.0), np.zeros(2, int), weights, COVERAGES)
    assert np.isnan([aurc, best]).tolist() == [[False, True]] * 2
    assert np.isnan(risk).tolist() == [[False] * len(COVERAGES), [True] * len(COVERAGES)]


@pytest.mark.parametrize("levels", [None, 3, 0])
@pytest.mark.parametrize("cached", [1 << 17, 64])
def test_referral_agrees_with_scikit_learn_under_every_weighting(levels, cached, monkeypatch):
    monkeypatch.setattr(selective, "CACHED", cached)
    table = predictions(columns=False, n=150)
    labels, logits = table["label_polyp"].to_numpy(bool), table["logit_polyp"].round(1).to_numpy()
    uncertainty = np.random.default_rng(1).normal(size=150)
    uncertainty = uncertainty if levels is None else np.round(uncertainty * levels)
    frames = Scored(np.arange(150), labels, logits, logits)
    patients = draw_patients(table["patient"], 6, 0)
    found = referral_statistics(frames, -0.5, uncertainty, patients.group, patients.weights, SHARES)
    for row, weight in enumerate(patients.weights):
        rows = drawn_rows(weight, patients.group)
        for share, statistics in zip(SHARES, found[:, :, row], strict=True):
            most_uncertain_first = np.sort(uncertainty[rows])[::-1]
            stay = rows[uncertainty[rows] <= most_uncertain_first[int(share * len(rows) + 1e-6)]]
            truth, said = labels[stay], logits[stay] >= -0.5
            one = np.zeros(len(stay), int)
            *_, anew = ranking_statistics(truth, logits[stay], one, np.ones((1, 1)), [0.9])
            expected = [recall_score(truth, said), recall_score(truth, said, pos_label=0), anew[0, 0]]
            assert statistics == pytest.approx(expected, abs=1e-12)


def test_referral_without_frames_of_a_kind_is_nan():
    labels = np.array([True, True, False, False])
    frames = Scored(np.arange(4), labels, np.arange(4.0), np.arange(4.0))
    weights = np.array([[1, 1], [2, 0], [0, 2]])
    found = referral_statistics(frames, 0.5, np.zeros(4), np.array([0, 0, 1, 1]), weights, (0.0,))[0]
    assert np.isnan(found).tolist() == [[False, False, True], [False, True, False], [False, True, True]]


def test_counts_are_those_of_the_frames_that_stay():
    table = predictions()
    block = measured(table)["scores"]["entropy"]["referred"]
    for share, part in zip(SHARES, block.values(), strict=True):
        rest = table.sort_values("predictive_entropy_polyp").head(kept(400, 1 - share))
        positive, said = rest["label_polyp"] == 1, rest["logit_polyp"] >= -1
        counts = [len(rest), positive.sum(), (positive & ~said).sum(), (~positive & said).sum()]
        assert [part[name] for name in ("n_frames", "n_positive", "missed", "false_alarms")] == counts
        assert part["sensitivity"]["value"] == pytest.approx(1 - counts[2] / counts[1])
        assert part["specificity"]["low"] < part["specificity"]["value"] < part["specificity"]["high"]
    assert list(block) == ["0.00", "0.05", "0.10", "0.20"]


def test_curve_agrees_with_the_referral_and_with_the_intervals_of_every_resample():
    block = measured(predictions())["scores"]["entropy"]
    curve, referred = block["curve"], block["referred"]
    for share, part in referred.items():
        risk = curve["risk"][curve["coverage"].index(1 - float(share))]
        assert risk == pytest.approx((part["missed"] + part["false_alarms"]) / part["n_frames"])
    assert (np.array(curve["low"]) <= curve["high"]).all()
    table, patients = predictions(), draw_patients(predictions()["patient"], 40, 0)
    wrong = ((table["logit_polyp"] >= -1) != (table["label_polyp"] == 1)).to_numpy(bool)
    resampled = [wrong[drawn_rows(weight, patients.group)].mean() for weight in patients.weights[1:]]
    assert [curve["low"][-1], curve["high"][-1]] == pytest.approx(np.quantile(resampled, [0.025, 0.975]))


def test_scores_are_those_that_the_table_holds():
    table = predictions()
    every = ["max_probability", "entropy", "mutual_information", "embedding_distance", "threshold_distance"]
    result = measured(table)
    assert list(result["scores"]) == every
    assert (result["threshold"], result["target"]) == (-1.0, "specificity 0.90")
    json.dumps(result, allow_nan=False)
    assert list(measured(predictions(columns=False))["scores"]) == [every[0], every[-1]]
    without = measured(table.assign(knn_distance=np.nan))["scores"]
    assert without["embedding_distance"] == {"reason": "NaN scores"}
    assert without["entropy"] == result["scores"]["entropy"]
    unknown = table.assign(knn_distance=table["knn_distance"].mask(table.index == 3))
    assert (
        "embedding_distance"
        in measured(unknown.assign(label_polyp=table["label_polyp"].mask(table.index == 3)))["scores"]
    )


def test_order_does_not_saturate_with_the_probability():
    # 1 - max(p, 1 - p) is 0 for all of them in double precision.
    table = predictions(columns=False).assign(logit_polyp=lambda t: 50 + t["logit_polyp"])
    perfect = table.assign(logit_polyp=np.where(table["label_polyp"] == 1, 90.0, 60.0))
    scores = measured(perfect, threshold=0.0)["scores"]
    assert scores["max_probability"]["excess_aurc"]["value"] == pytest.approx(0, abs=1e-12)


def test_constant_logits_refer_nobody():
    scores = measured(predictions(columns=False).assign(logit_polyp=0.0))["scores"]
    for block in scores.values():
        assert {part["n_frames"] for part in block["referred"].values()} == {400}
        assert block["aurc"]["value"] == pytest.approx(block["curve"]["risk"][0])


@pytest.mark.parametrize(
    ("table", "threshold", "reason"),
    [
        (predictions(), None, "no threshold for specificity 0.90"),
        (predictions().assign(logit_polyp=np.nan), 0.0, "NaN scores"),
        (predictions().assign(label_polyp=pd.array([pd.NA] * 400, dtype="Int8")), 0.0, "no labels"),
        (predictions().rename(columns={"logit_polyp": "probability_polyp"}), 0.0, "no logits"),
    ],
)
def test_what_cannot_be_decided_has_a_reason(table, threshold, reason):
    assert measured(table, threshold) == {"reason": reason}


def test_one_class_only_leaves_what_needs_no_other():
    block = measured(predictions().assign(label_polyp=0))["scores"]["entropy"]
    part = block["referred"]["0.10"]
    assert part["sensitivity"] == {"value": None, "low": None, "high": None, "reason": "no positive frames"}
    assert part["sensitivity_at_specificity"]["0.90"]["reason"] == "one class only"
    assert part["specificity"]["low"] < part["specificity"]["value"]
    assert (part["n_positive"], part["missed"]) == (0, 0)
    assert block["aurc"]["low"] < block["aurc"]["value"]
    assert block["aurc"]["reason"] == block["excess_aurc"]["reason"] == "one class only"


def test_a_referral_may_take_every_frame_of_a_kind():
    table = predictions(columns=False, n=40).assign(knn_distance=0.0)
    table.loc[table["label_polyp"] == 1, "knn_distance"] = 1.0
    part = measured(table, referred=(0.5,))["scores"]["embedding_distance"]["referred"]["0.50"]
    assert part["n_positive"] == 0
    assert (part["sensitivity"]["value"], part["sensitivity"]["reason"]) == (None, "no positive frames")
    assert part["specificity"]["value"] is not None


def test_one_patient_has_values_without_intervals():
    result = measured(predictions().assign(patient="p"))
    assert result["scores"]["entropy"]["curve"]["low"] == [None] * len(COVERAGES)
    for number in (result["scores"]["entropy"]["aurc"], result["scores"]["entropy"]["referred"]["0.10"]["specificity"]):
        assert number["value"] is not None
        assert (number["low"], number["reason"]) == (None, "fewer than three patients")
    json.dumps(result, allow_nan=False)
