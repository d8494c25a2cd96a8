"""Conformal sets: the bounds against a slow twin, and the promise over 1,000 draws of patients."""

import json

import numpy as np
import pandas as pd
import pytest

from capsight.evaluation.bootstrap import draw_patients
from capsight.evaluation.trust.conformal import fit_conformal, guarantee, measure_conformal, patient_quantile

NINE = [str(number) for number in range(9)]


def table(patients, labels, logits):
    return pd.DataFrame({"patient": patients, "label_polyp": labels, "logit_polyp": logits}).astype(
        {"patient": "string", "label_polyp": "Int8"}
    )


def drawn(rng, n_patients):
    """Frames of a patient are nearly all alike; long videos are of easy patients; every patient has both labels."""
    effect = rng.normal(size=n_patients)
    size = np.clip(np.exp(2.0 + 1.5 * effect + 0.5 * rng.normal(size=n_patients)), 1, 100).astype(int)
    patient = np.tile(np.repeat(np.arange(n_patients), size), 2)
    labels = np.arange(len(patient)) < len(patient) // 2
    ease = 1.5 + effect[patient] + 0.2 * rng.normal(size=len(patient))
    logits = np.where(labels, ease, -ease)
    return pd.DataFrame({"patient": patient, "label_polyp": labels.astype(int), "logit_polyp": logits})


def mean_share(hit, patient):
    return np.mean(np.bincount(patient, hit) / np.bincount(patient))


def slow_quantile(scores, patients, coverage):
    """The smallest score below or at which the weighted frames reach the coverage, one by one."""
    n_patients = len(set(patients))
    for bound in sorted(scores):
        mass = sum(
            1 / (n_patients + 1) / patients.count(patient)
            for score, patient in zip(scores, patients, strict=True)
            if score <= bound
        )
        if mass >= coverage - 1e-12:
            return bound
    return None


@pytest.mark.parametrize("seed", range(20))
def test_quantile_is_that_of_a_slow_twin(seed):
    rng = np.random.default_rng(seed)
    patients = rng.choice(list("abcdefghijkl"), size=60).tolist()
    scores = rng.integers(0, 15, size=60) / 4  # with ties
    for coverage in (0.5, 0.8, 0.9, 0.95):
        bound, n_patients, reason = patient_quantile(scores, pd.Series(patients), coverage)
        assert bound == slow_quantile(scores.tolist(), patients, coverage)
        assert n_patients == len(set(patients))
        assert (bound is None) == (reason is not None)


def test_sets_are_bounded_on_the_logit_scale():
    """Nine patients at 0.90: the worst frame of all is the bound, of positives the lowest logit."""
    logits = [*range(1, 10), *(-score for score in range(1, 10))]
    fitted = fit_conformal(table(NINE * 2, [1] * 9 + [0] * 9, logits), "polyp", ("0.90", "0.50"))
    assert fitted["0.90"] == {"positive": 1, "n_patients_positive": 9, "negative": -1, "n_patients_negative": 9}
    assert (fitted["0.50"]["positive"], fitted["0.50"]["negative"]) == (5, -5)


def test_too_few_patients_rule_nothing_out_and_say_so():
    frames = table(NINE * 2, [1] * 5 + [0] * 13, np.arange(18.0))
    fitted = fit_conformal(frames, "polyp", ("0.90",))["0.90"]
    assert fitted["positive"] is None
    assert fitted["reason_positive"] == "needs at least 9 patients with the finding, has 5"
    assert fitted["negative"] == 17
    measured = measure_conformal(frames, draw_patients(frames["patient"], 100, 0), "polyp", {"0.90": fitted})["0.90"]
    assert measured["coverage_positive"]["value"] == measured["undecided"]["value"] == 1
    assert measured["reason_positive"] == fitted["reason_positive"]


def test_coverage_is_a_mean_over_patients_and_undecided_a_share_of_frames():
    # Patient a: 3 of 4 positive frames covered; b: 0 of 1; c: 1 of 1. No negative frame is missed.
    patients = list("aaaabc") + list("abc")
    frames = table(patients, [1] * 6 + [0] * 3, [2, 2, 1, -3, -3, 2, -2, -2, 0])
    fitted = {"0.60": {"positive": 0.0, "negative": 1.0, "n_patients_positive": 3, "n_patients_negative": 3}}
    measured = measure_conformal(frames, draw_patients(frames["patient"], 500, 0), "polyp", fitted)["0.60"]
    assert measured["coverage_positive"]["value"] == pytest.approx((3 / 4 + 0 + 1) / 3)
    assert measured["coverage"]["value"] == pytest.approx((4 / 5 + 1 / 2 + 1) / 3)
    assert measured["coverage_negative"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert measured["undecided"]["value"] == pytest.approx(2 / 9)  # logits 0 to 1: one positive, one negative frame
    assert measured["empty"]["value"] == 0
    assert measured["coverage_positive"]["low"] == 0
    assert measured["coverage_positive"]["high"] == 1
    assert measured["guarantee"] == "not shown"
    gap = {"0.60": fitted["0.60"] | {"positive": 1.5, "negative": 0.5}}
    measured = measure_conformal(frames, draw_patients(frames["patient"], 500, 0), "polyp", gap)["0.60"]
    assert measured["empty"]["value"] == pytest.approx(1 / 9)


def test_interval_is_that_of_patients_drawn_one_by_one():
    rng = np.random.default_rng(4)
    frames = drawn(rng, 12)
    patients = draw_patients(frames["patient"], 40, 0)
    fitted = {"0.90": {"positive": 1.0, "negative": -0.5, "n_patients_positive": 12, "n_patients_negative": 12}}
    measured = measure_conformal(frames, patients, "polyp", fitted)["0.90"]["coverage_positive"]
    positive = frames["label_polyp"].eq(1).to_numpy()
    covered = frames["logit_polyp"].to_numpy() >= 1
    values = []
    for weights in patients.weights[1:]:
        shares = [[covered[positive & (patients.group == p)].mean()] * int(w) for p, w in enumerate(weights)]
        values.append(np.mean(np.concatenate(shares)))
    assert (measured["low"], measured["high"]) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_guarantee():
    def judged(value, low, high, **side):
        return guarantee({"value": value, "low": low, "high": high}, 0.9, **side)["guarantee"]

    assert judged(0.9 - 1e-12, 0.8, 0.95) == "holds"
    assert judged(0.85, 0.8, 0.9) == "not shown"
    assert judged(0.85, 0.8, 0.89) == "broken"
    assert judged(0.85, 0.8, 0.95, at_most=True) == "holds"
    assert judged(0.95, 0.85, 0.99, at_most=True) == "not shown"
    assert judged(0.95, 0.91, 0.99, at_most=True) == "broken"
    unknown = {"value": 0.5, "low": None, "high": None, "reason": "no patient ids"}
    assert guarantee(unknown, 0.9) == {"guarantee": None, "reason": "no patient ids"}


def test_the_worse_side_is_the_guarantee():
    frames = table(NINE * 2, [1] * 9 + [0] * 9, [1.0] * 9 + [2.0] * 9)
    patients = draw_patients(frames["patient"], 100, 0)
    fitted = {"0.90": {"positive": 0.0, "negative": 0.0, "n_patients_positive": 9, "n_patients_negative": 9}}
    assert measure_conformal(frames, patients, "polyp", fitted)["0.90"]["guarantee"] == "broken"
    positive = frames.iloc[:9]
    measured = measure_conformal(positive, draw_patients(positive["patient"], 100, 0), "polyp", fitted)["0.90"]
    assert measured["guarantee"] is None
    assert measured["reason"] == measured["coverage_negative"]["reason"] == "no negative frames"


def test_frames_without_patient():
    """A few are left out of the fit; many leave nothing to fit."""
    frames = table([*NINE * 2, None], [1] * 9 + [0] * 9 + [1], [*np.arange(18.0), -99])
    assert fit_conformal(frames, "polyp", ("0.90",))["0.90"]["positive"] == 0
    frames["patient"] = pd.Series([pd.NA] * 19, dtype="string")
    fitted = fit_conformal(frames, "polyp", ("0.90",))
    assert fitted["0.90"]["reason_negative"] == "no patient ids"
    measured = measure_conformal(frames, draw_patients(frames["patient"], 10, 0), "polyp", fitted)["0.90"]
    assert measured["guarantee"] is None
    assert measured["reason"] == "no patient ids"


@pytest.mark.parametrize("logit", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers(logit):
    good = table(NINE * 2, [1] * 9 + [0] * 9, np.arange(18.0))
    bad = table(NINE * 2, [1] * 9 + [0] * 9, [logit, *range(17)])
    assert fit_conformal(bad, "polyp") == {"reason": "NaN scores"}
    patients = draw_patients(bad["patient"], 10, 0)
    assert measure_conformal(bad, patients, "polyp", fit_conformal(good, "polyp")) == {"reason": "NaN scores"}
    assert measure_conformal(good, patients, "polyp", fit_conformal(bad, "polyp")) == {"reason": "NaN scores"}


def test_nothing_to_fit():
    unlabelled = table(NINE, [pd.NA] * 9, np.arange(9.0))
    assert fit_conformal(unlabelled, "polyp") == {"reason": "no labels"}
    saturated = unlabelled.drop(columns="logit_polyp").assign(probability_polyp=0.5, label_polyp=1)
    assert fit_conformal(saturated, "polyp") == {"reason": "no logits"}
    one = table(["a"] * 4, [1, 1, 0, 0], [1.0, 1, 1, 1])
    assert fit_conformal(one, "polyp")["0.95"]["reason_negative"] == "needs at least 19 patients without it, has 1"
    measured = measure_conformal(one, draw_patients(one["patient"], 10, 0), "polyp", fit_conformal(one, "polyp"))
    assert measured["0.95"]["coverage"]["reason"] == "fewer than three patients"


def test_constant_logits_leave_every_frame_undecided():
    frames = table(NINE * 2, [1] * 9 + [0] * 9, [0.5] * 18)
    fitted = json.loads(json.dumps(fit_conformal(frames, "polyp", ("0.90",)), allow_nan=False))
    measured = measure_conformal(frames, draw_patients(frames["patient"], 50, 0), "polyp", fitted)["0.90"]
    assert measured["undecided"]["value"] == 1
    assert measured["guarantee"] == "holds"


def test_coverage_over_1000_draws_of_patients_where_calibrating_over_frames_fails():
    """The naive way takes all frames as exchangeable; long videos of easy patients then set its bound."""
    rng = np.random.default_rng(0)
    coverage = {"positive": [], "negative": [], "naive": []}
    for _ in range(1000):
        calibration, test = drawn(rng, 19), drawn(rng, 8)
        bounds = fit_conformal(calibration, "polyp", ("0.90",))["0.90"]
        logits, patient = test["logit_polyp"].to_numpy(), test["patient"].to_numpy()
        positive, negative = np.split(np.arange(len(test)), 2)
        coverage["positive"].append(mean_share(logits[positive] >= bounds["positive"], patient[positive]))
        coverage["negative"].append(mean_share(logits[negative] <= bounds["negative"], patient[negative]))
        frames = np.sort(calibration["logit_polyp"].to_numpy()[: len(calibration) // 2])[::-1]
        naive = frames[min(len(frames), int(np.ceil(0.9 * (len(frames) + 1)))) - 1]
        coverage["naive"].append(mean_share(logits[positive] >= naive, patient[positive]))
    error = {name: np.std(values) / np.sqrt(len(values)) for name, values in coverage.items()}
    mean = {name: np.mean(values) for name, values in coverage.items()}
    for side in ("positive", "negative"):
        assert 0.9 - 3 * error[side] <= mean[side] <= 0.9 + 1 / 20 + 3 * error[side]  # and it is not timid
    assert mean["naive"] < 0.9 - 10 * error["naive"]
