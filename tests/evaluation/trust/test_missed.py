"""Conformal risk control: the threshold against eq. 4 taken literally, and the bound over 1,000 draws of patients."""

import json

import numpy as np
import pandas as pd
import pytest

from capsight.evaluation.bootstrap import draw_patients
from capsight.evaluation.trust.missed import fit_missed, measure_missed

NINE = [str(number) for number in range(9)]


def table(patients, labels, logits):
    return pd.DataFrame({"patient": patients, "label_polyp": labels, "logit_polyp": logits}).astype(
        {"patient": "string", "label_polyp": "Int8"}
    )


def drawn(rng, n_patients):
    """Patients and logits of positive frames: those of a patient are nearly alike; long videos are of easy patients."""
    effect = rng.normal(size=n_patients)
    size = np.clip(np.exp(2.0 + 1.5 * effect + 0.5 * rng.normal(size=n_patients)), 1, 150).astype(int)
    patient = np.repeat(np.arange(n_patients), size)
    return patient, effect[patient] + 0.2 * rng.normal(size=len(patient))


def mean_loss(patients, logits, threshold):
    patients = np.unique(patients, return_inverse=True)[1]
    return np.mean(np.bincount(patients, logits < threshold) / np.bincount(patients))


@pytest.mark.parametrize("seed", range(20))
def test_threshold_is_the_highest_that_keeps_the_bound(seed):
    rng = np.random.default_rng(seed)
    patients = rng.choice(list("abcdefghijklmnopqrstuv"), size=80)
    logits = rng.integers(-8, 8, size=80) / 4  # with ties
    n = len(set(patients))
    fitted = fit_missed(table(patients, 1, logits), "polyp")
    for bound, chosen in fitted.items():
        kept = [
            threshold
            for threshold in np.arange(-3, 3, 1 / 16)
            if n / (n + 1) * mean_loss(patients, logits, threshold) + 1 / (n + 1) <= float(bound) + 1e-12
        ]
        assert chosen["n_patients"] == n
        assert chosen["threshold"] == (max(kept) if kept else None)
        assert ("reason" in chosen) == (not kept)


def test_nine_patients_carry_a_bound_of_a_tenth_and_eight_do_not():
    frames = table(NINE, 1, np.arange(9.0))
    assert fit_missed(frames, "polyp", ("0.10",)) == {"0.10": {"threshold": 0.0, "n_patients": 9}}
    reason = "needs at least 9 patients with the finding, has 8"
    fitted = fit_missed(frames.iloc[:8], "polyp", ("0.10",))
    assert fitted == {"0.10": {"threshold": None, "n_patients": 8, "reason": reason}}
    measured = measure_missed(frames, draw_patients(frames["patient"], 10, 0), "polyp", fitted)["0.10"]
    assert measured["missed"] == measured["specificity"] == {"value": None, "low": None, "high": None, "reason": reason}
    assert (measured["threshold"], measured["guarantee"], measured["reason"]) == (None, None, reason)


def test_missed_is_a_mean_over_patients_and_specificity_a_share_of_frames():
    # Patient a misses 1 of 4 positive frames, b 1 of 1, c 0 of 1; of four negative frames three are below.
    frames = table(list("aaaabcaaac"), [1] * 6 + [0] * 4, [2, 2, 1, 0, 0, 1, 0, 0, 1, -1])
    fitted = {"0.50": {"threshold": 1.0, "n_patients": 3}}
    measured = measure_missed(frames, draw_patients(frames["patient"], 500, 0), "polyp", fitted)["0.50"]
    assert measured["missed"]["value"] == pytest.approx((1 / 4 + 1 + 0) / 3)
    assert (measured["missed"]["low"], measured["missed"]["high"]) == (0, 1)
    assert measured["specificity"]["value"] == 3 / 4
    assert measured["guarantee"] == "holds"
    for bound, verdict in (("0.30", "not shown"), ("0.42", "holds")):
        again = measure_missed(frames, draw_patients(frames["patient"], 500, 0), "polyp", {bound: fitted["0.50"]})
        assert again[bound]["guarantee"] == verdict
    broken = measure_missed(
        frames.assign(logit_polyp=0.0), draw_patients(frames["patient"], 500, 0), "polyp", {"0.50": fitted["0.50"]}
    )
    assert broken["0.50"]["guarantee"] == "broken"


def test_a_threshold_needs_positives_patients_and_numbers():
    negative = table(NINE, 0, np.arange(9.0))
    assert fit_missed(negative, "polyp", ("0.10",))["0.10"]["reason"].endswith("has 0")
    nobody = table([pd.NA] * 9, 1, np.arange(9.0))
    assert fit_missed(nobody, "polyp", ("0.10",))["0.10"]["reason"] == "no patient ids"
    unlabelled = table(NINE, pd.NA, np.arange(9.0))
    assert fit_missed(unlabelled, "polyp", ("0.10",))["0.10"]["reason"] == "no labels"
    one = table(["a"] * 9, 1, np.arange(9.0))
    assert fit_missed(one, "polyp", ("0.10",))["0.10"]["reason"].endswith("has 1")
    fitted = fit_missed(table(NINE, 1, np.arange(9.0)), "polyp", ("0.10",))
    measured = measure_missed(negative, draw_patients(NINE, 10, 0), "polyp", fitted)["0.10"]
    assert measured["missed"]["reason"] == measured["reason"] == "no positive frames"
    assert measured["specificity"]["value"] == 0


@pytest.mark.parametrize("logit", [np.nan, np.inf, -np.inf])
def test_logits_that_are_no_numbers(logit):
    good, bad = table(NINE, 1, np.arange(9.0)), table(NINE, 1, [logit, *range(8)])
    fitted = fit_missed(bad, "polyp", ("0.10",))
    assert fitted["0.10"] == {"threshold": None, "n_patients": 9, "reason": "NaN scores"}
    fitted = fit_missed(good, "polyp", ("0.10",))
    measured = measure_missed(bad, draw_patients(NINE, 10, 0), "polyp", fitted)["0.10"]
    assert (measured["missed"]["reason"], measured["guarantee"]) == ("NaN scores", None)


def test_constant_logits_miss_nothing():
    frames = table(NINE * 2, [1] * 9 + [0] * 9, 0.5)
    fitted = json.loads(json.dumps(fit_missed(frames, "polyp", ("0.10",)), allow_nan=False))
    measured = measure_missed(frames, draw_patients(frames["patient"], 50, 0), "polyp", fitted)["0.10"]
    assert (measured["missed"]["value"], measured["specificity"]["value"]) == (0, 0)
    assert measured["guarantee"] == "holds"


def test_a_frame_without_patient_is_left_out_of_the_fit():
    frames = table([*NINE * 2, None], 1, [*np.arange(18.0), -99])
    assert fit_missed(frames, "polyp", ("0.10",))["0.10"] == {"threshold": 0.0, "n_patients": 9}


def test_bound_over_1000_draws_of_patients_where_a_quantile_of_frames_fails():
    rng = np.random.default_rng(0)
    missed, naive = [], []
    for _ in range(1000):
        (patients, logits), test = drawn(rng, 19), drawn(rng, 8)
        calibration = pd.DataFrame({"patient": patients, "label_polyp": 1, "logit_polyp": logits})
        missed.append(mean_loss(*test, fit_missed(calibration, "polyp", ("0.10",))["0.10"]["threshold"]))
        naive.append(mean_loss(*test, np.sort(logits)[int(0.1 * len(logits))]))
    error, naive_error = (np.std(values) / np.sqrt(1000) for values in (missed, naive))
    assert 0.1 - 1 / 20 - 3 * error <= np.mean(missed) <= 0.1 + 3 * error  # and it is not timid
    assert np.mean(naive) > 0.1 + 10 * naive_error
