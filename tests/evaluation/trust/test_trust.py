import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from capsight.evaluation.metrics import measure, write_metrics
from capsight.evaluation.trust import Trust, calibrate, fit_trust, uncalibrated
from capsight.evaluation.trust.likeness import SCORES

FINDINGS = ["polyp", "bleeding"]
KEYS = {"calibration", "selective", "conformal", "ood", "operating_points"}


def predictions(seed: int, patients: int = 24, shift: float = 0.0) -> pd.DataFrame:
    """Frames of two devices whose polyp logits are twice too large, and whose bleeding is never there."""
    rng = np.random.default_rng(seed)
    n = patients * 12
    truth = rng.normal(size=n) * 1.5
    table = pd.DataFrame({"patient": np.repeat([f"p{i}" for i in range(patients)], 12)}).astype("string")
    table["device"] = np.where(np.arange(n) < n // 2, "d1", "d2")
    label = rng.uniform(size=n) < expit(truth)
    for finding, labels in (("polyp", label), ("bleeding", np.zeros(n, bool))):
        table[f"label_{finding}"] = pd.array(labels.astype(int), dtype="Int8")
        table[f"logit_{finding}"] = 2 * truth
        table[f"probability_{finding}"] = expit(2 * truth)
        table[f"predictive_entropy_{finding}"] = -np.abs(truth)
        table[f"mutual_information_{finding}"] = rng.uniform(size=n)
    table[list(SCORES)] = rng.normal(size=(n, 3)) + shift
    return table


@pytest.fixture(scope="module")
def trust() -> Trust:
    validation = predictions(0)
    outsiders = predictions(1, patients=3, shift=5).assign(device="black", patient=pd.NA)
    return Trust(fit_trust(validation, FINDINGS), validation, outsiders)


@pytest.fixture(scope="module")
def metrics(trust) -> dict:
    return measure(predictions(2), findings=FINDINGS, trust=trust, resamples=50)


def test_every_key_stands_overall_and_for_every_device(metrics):
    assert set(metrics) >= KEYS
    assert all(set(block) >= KEYS for block in metrics["by_device"].values())
    for key in KEYS - {"ood"}:
        assert set(metrics[key]) == set(FINDINGS)
    assert set(metrics["ood"]["energy"]["auroc"]) == {"d1", "d2", "black"}
    assert set(metrics["by_device"]["d1"]["ood"]["energy"]["auroc"]) == {"d1"}


def test_numbers_are_those_of_the_fit(metrics):
    before, after = (metrics["calibration"]["polyp"][method]["ece"]["value"] for method in ("none", "temperature"))
    assert after < before / 2
    assert metrics["selective"]["polyp"]["target"] == "specificity 0.90"
    black = metrics["ood"]["energy"]["auroc"]["black"]
    assert black["value"] > 0.99
    assert 0.9 < black["low"] <= black["high"]  # outsiders have no patients, and count one by one
    specificity = metrics["operating_points"]["polyp"]["specificity"]["0.90"]["specificity"]
    assert specificity["low"] < 0.90 < specificity["high"]


def test_a_finding_without_positives_is_null_with_a_reason(metrics, trust):
    assert trust.fitted["thresholds"]["bleeding"] is None
    assert trust.fitted["calibration"]["bleeding"]["reason"] == "one class only"
    point = metrics["operating_points"]["bleeding"]["specificity"]["0.90"]
    assert point["threshold"] is None
    assert metrics["selective"]["bleeding"]["reason"]
    assert metrics["conformal"]["bleeding"]["missed"]["0.10"]["missed"]["reason"]


def test_everything_is_plain_json(metrics, trust, tmp_path):
    write_metrics(metrics, tmp_path / "metrics.json")
    write_metrics(trust.fitted, tmp_path / "trust.json")
    assert json.loads((tmp_path / "trust.json").read_text()) == trust.fitted


def test_targets_name_their_keys():
    fitted = fit_trust(predictions(0), ["polyp"], targets=[0.9, 0.975], coverage=[0.8], missed=[0.3])
    assert list(fitted["operating_points"]["polyp"]["sensitivity"]) == ["0.90", "0.975"]
    assert list(fitted["conformal"]["polyp"]) == ["0.80"]
    assert list(fitted["missed"]["polyp"]) == ["0.30"]


@pytest.mark.parametrize("method", ["temperature", "platt", "isotonic"])
def test_calibration_moves_probabilities_and_threshold_but_no_decision(trust, method):
    test = predictions(2)
    applied, thresholds = calibrate(test, trust.fitted, method)
    before = test["probability_polyp"] >= trust.fitted["thresholds"]["polyp"]
    after = applied["probability_polyp"] >= thresholds["polyp"]
    assert (before != after).mean() < (0.05 if method == "isotonic" else 1e-9)  # a step may hold both sides
    assert not np.allclose(applied["probability_polyp"], test["probability_polyp"])
    np.testing.assert_array_equal(applied["logit_polyp"], test["logit_polyp"])
    assert uncalibrated(trust.fitted, method) == ["bleeding"]
    np.testing.assert_array_equal(applied["probability_bleeding"], test["probability_bleeding"])


def test_no_calibration_changes_nothing(trust):
    test = predictions(2)
    applied, thresholds = calibrate(test, trust.fitted, "none")
    assert applied is test
    assert thresholds == trust.fitted["thresholds"]
    assert uncalibrated(trust.fitted, "none") == []
    assert logit(thresholds["polyp"]) == pytest.approx(0, abs=1.5)
