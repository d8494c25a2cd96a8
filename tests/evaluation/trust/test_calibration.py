"""Recalibrated probabilities against scikit-learn and slow twins."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression

from capsight.errors import UserError
from capsight.evaluation.trust.calibration import (
    METHODS,
    apply_calibration,
    calibrated,
    fit_calibration,
    fitted_methods,
)


def predictions(logits, labels, finding="polyp"):
    labels = pd.array([pd.NA if np.isnan(label) else int(label) for label in np.asarray(labels, float)], dtype="Int8")
    return pd.DataFrame({f"label_{finding}": labels, f"logit_{finding}": logits, f"probability_{finding}": 0.5})


def drawn(slope=1.0, intercept=-2.0, n=400, seed=0):
    """Frames whose labels follow the sigmoid of slope * logit + intercept."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=2, size=n)
    return logits, rng.random(n) < expit(slope * logits + intercept)


def nll(probabilities, labels):
    return -np.mean(np.where(labels, np.log(probabilities), np.log1p(-probabilities)))


class Logit(ClassifierMixin, BaseEstimator):
    """A classifier whose decision is the one feature, so that scikit-learn calibrates our logits."""

    def fit(self, features, labels):
        self.classes_ = np.array([0, 1])
        return self

    def decision_function(self, features):
        return np.asarray(features)[:, 0]

    def predict(self, features):
        return (self.decision_function(features) > 0).astype(int)


@pytest.mark.parametrize(("temperature", "n"), [(3.0, 40_000), (0.4, 40_000)])
def test_a_known_temperature_is_recovered(temperature, n):
    logits, labels = drawn(intercept=0, n=n)
    fitted = fit_calibration(predictions(temperature * logits, labels), "polyp")
    assert fitted["temperature"]["temperature"] == pytest.approx(temperature, rel=0.04)
    assert calibrated(fitted, "temperature", temperature * logits) == pytest.approx(expit(logits), abs=0.01)


def test_the_temperature_is_the_best_of_a_fine_grid():
    logits, labels = drawn(slope=0.5)
    found = fit_calibration(predictions(logits, labels), "polyp")["temperature"]["temperature"]
    grid = np.geomspace(0.01, 100, 20_001)
    losses = [nll(np.clip(expit(logits / t), 1e-15, 1 - 1e-15), labels) for t in grid]
    assert found == pytest.approx(grid[np.argmin(losses)], rel=1e-3)


@pytest.mark.parametrize("scale", [1, 100])
def test_platt_agrees_with_scikit_learn(scale):
    logits, labels = drawn(slope=0.6)
    logits = scale * logits + 0.3
    reference = CalibratedClassifierCV(FrozenEstimator(Logit().fit(None, None)), method="sigmoid", cv=3)
    reference.fit(logits[:, None], labels.astype(int))
    new = np.linspace(logits.min() - 2, logits.max() + 2, 50)
    fitted = fit_calibration(predictions(logits, labels), "polyp")
    assert calibrated(fitted, "platt", new) == pytest.approx(reference.predict_proba(new[:, None])[:, 1], abs=1e-5)


def test_platt_stays_finite_where_the_logits_separate_the_classes():
    logits = np.r_[np.linspace(1, 2, 20), np.linspace(-2, -1, 50)]
    fitted = fit_calibration(predictions(logits, logits > 0), "polyp")
    probabilities = calibrated(fitted, "platt", logits)
    assert 0 < fitted["platt"]["slope"] < 100
    assert probabilities.sum() == pytest.approx(20 * 21 / 22 + 50 / 52, abs=1e-4)  # the smoothed labels' sum


@pytest.mark.parametrize("decimals", [8, 0])
def test_isotonic_is_the_plain_fit_pulled_off_0_and_1(decimals):
    logits, labels = drawn()
    logits = np.round(logits, decimals)  # 0: many ties
    positive, negative = labels.sum(), (~labels).sum()
    lowest, highest = 1 / (negative + 2), (positive + 1) / (positive + 2)
    new = np.r_[np.linspace(-20, 20, 101), logits]
    plain = IsotonicRegression(out_of_bounds="clip").fit(logits, labels.astype(float)).predict(new)
    fitted = json.loads(json.dumps(fit_calibration(predictions(logits, labels), "polyp")))
    found = calibrated(fitted, "isotonic", new)
    assert found == pytest.approx(lowest + (highest - lowest) * plain, abs=1e-9)
    assert lowest - 1e-12 <= found.min() and found.max() <= highest + 1e-12
    assert np.isfinite(nll(calibrated(fitted, "isotonic", logits), labels))


@pytest.mark.parametrize("method", METHODS)
def test_a_fit_improves_what_is_miscalibrated_and_keeps_the_order(method):
    logits, labels = drawn(slope=0.4, intercept=0.0, n=4000)
    fitted = fit_calibration(predictions(logits[::2], labels[::2]), "polyp")
    found = calibrated(fitted, method, logits[1::2])
    assert nll(found, labels[1::2]) < nll(expit(logits[1::2]), labels[1::2]) - 0.05
    assert (np.diff(found[np.argsort(logits[1::2])]) >= 0).all()


def test_frames_without_a_label_do_not_count():
    logits, labels = drawn()
    alone = fit_calibration(predictions(logits, labels), "polyp")
    more = predictions(np.r_[logits, np.nan, 50], np.r_[labels.astype(float), np.nan, np.nan])
    assert fit_calibration(more, "polyp") == alone


LOGITS, LABELS = drawn()


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (predictions(LOGITS, np.full(400, np.nan)), "no labels"),
        (predictions(LOGITS, np.zeros(400)), "one class only"),
        (predictions(LOGITS, np.ones(400)), "one class only"),
        (predictions(np.where(np.arange(400) == 7, np.nan, LOGITS), LABELS), "NaN scores"),
        (predictions(np.where(np.arange(400) == 7, np.inf, LOGITS), LABELS), "NaN scores"),
        (predictions(np.full(400, 1.5), LABELS), "constant logits"),
        (predictions(LOGITS, np.arange(400) < 9), "too few frames"),
        (predictions(LOGITS, LABELS).drop(columns="logit_polyp"), "no logits"),
        (predictions(LOGITS, LABELS).iloc[:0], "no labels"),
    ],
)
def test_frames_that_cannot_be_fitted_give_a_reason(table, reason):
    fitted = fit_calibration(table, "polyp")
    assert fitted == {"reason": reason}
    assert fitted_methods(fitted) == []
    with pytest.raises(UserError, match=f"'platt' could not be fitted: {reason}"):
        calibrated(fitted, "platt", LOGITS)


def test_logits_without_an_error_have_no_best_temperature_but_the_rest():
    logits = np.r_[np.linspace(0.1, 2, 20), np.linspace(-2, -0.1, 50)]
    fitted = fit_calibration(predictions(logits, logits > 0), "polyp")
    assert "no temperature from 0.01 to 100" in fitted["temperature"]["reason"]
    assert fitted_methods(fitted) == ["platt", "isotonic"]
    with pytest.raises(UserError, match="'temperature' could not be fitted: no temperature"):
        calibrated(fitted, "temperature", logits)


def test_logits_of_the_wrong_sign_are_not_turned_around():
    logits, labels = drawn(intercept=0.0)
    fitted = fit_calibration(predictions(-logits, labels), "polyp")
    assert "reason" in fitted["temperature"] and "reason" in fitted["platt"]
    assert np.ptp(calibrated(fitted, "isotonic", logits)) < 0.2  # close to the prevalence for all


def test_none_is_the_plain_sigmoid_and_unknown_methods_are_refused():
    assert calibrated({}, "none", [0, 2.0]).tolist() == expit([0, 2.0]).tolist()
    with pytest.raises(UserError, match="'beta' is unknown; choose none, temperature, platt, isotonic"):
        calibrated({}, "beta", [0.0])
    with pytest.raises(UserError, match="'platt' could not be fitted: the run does not hold it"):
        calibrated({}, "platt", [0.0])


def test_a_table_is_calibrated_in_a_copy_and_keeps_its_logits():
    table = predictions(LOGITS, LABELS)
    table["logit_polyp"] = pd.array(np.where(np.arange(400) == 3, np.nan, LOGITS), dtype="Float32")
    calibration = {"polyp": fit_calibration(predictions(LOGITS, LABELS), "polyp")}
    for method in ("none", *METHODS):
        result = apply_calibration(table, calibration, method, ["polyp"])
        expected = calibrated(calibration["polyp"], method, table["logit_polyp"].to_numpy(float, na_value=np.nan))
        np.testing.assert_array_equal(result["probability_polyp"], expected)
        assert np.flatnonzero(result["probability_polyp"].isna()).tolist() == [3]
        pd.testing.assert_frame_equal(result.drop(columns="probability_polyp"), table.drop(columns="probability_polyp"))
    assert (table["probability_polyp"] == 0.5).all()


def test_a_table_is_not_calibrated_in_part():
    table = predictions(LOGITS, LABELS).join(predictions(LOGITS, LABELS, "bleeding"))
    calibration = {"polyp": fit_calibration(table, "polyp"), "bleeding": {"reason": "one class only"}}
    with pytest.raises(UserError, match="^bleeding: calibration 'platt' could not be fitted: one class only"):
        apply_calibration(table, calibration, "platt", ["polyp", "bleeding"])
    with pytest.raises(UserError, match="^ulcer: the predictions table has no logits"):
        apply_calibration(table, calibration, "none", ["ulcer"])
