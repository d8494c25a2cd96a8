"""Calibration errors against scikit-learn, slow loops, and data whose calibration is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import foldnorm
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from capsight.evaluation.bootstrap import draw_patients
from capsight.evaluation.trust.calibration import fit_calibration
from capsight.evaluation.trust.calibration_error import (
    MIRRORED,
    STATISTICS,
    calibration_statistics,
    equal_mass_bins,
    folded_normal_mean,
    measure_calibration,
)

NOTHING_FITTED = {"reason": "one class only"}


def frames(seed=0, n=600, n_patients=12, slope=1.0, levels=None):
    """Clustered frames whose labels follow the sigmoid of slope * logit + the patient's own shift."""
    rng = np.random.default_rng(seed)
    patient = rng.integers(n_patients, size=n)
    logits = rng.normal(-1, 1.5, size=n)
    logits = logits if levels is None else np.round(logits * levels) / levels
    labels = rng.random(n) < expit(slope * logits + rng.normal(size=n_patients)[patient])
    return labels, logits, patient


def table(labels, logits, patient):
    labels = pd.array([pd.NA if np.isnan(label) else int(label) for label in np.asarray(labels, float)], dtype="Int8")
    return pd.DataFrame({"patient": patient, "label_polyp": labels, "logit_polyp": logits}).astype(
        {"patient": "string"}
    )


def slow(labels, probabilities, bins, patient):
    """All statistics by loops over bins, frames and patients; a patient drawn twice is two patients."""
    n, base = len(labels), np.mean(labels)
    ece = reliability = resolution = noisy = 0.0
    for index in np.unique(bins):
        inside = np.flatnonzero(bins == index)
        p, y, share = probabilities[inside], labels[inside].astype(float), len(inside) / n
        gap = y.mean() - p.mean()
        variance = 0.0
        for one in np.unique(patient[inside]):
            of = patient[inside] == one
            variance += (np.sum(y[of] - p[of]) - of.sum() * gap) ** 2 / len(inside) ** 2
        deviation = np.sqrt(variance)
        noisy += share * (foldnorm.mean(abs(gap) / deviation, scale=deviation) if deviation > 1e-12 else abs(gap))
        ece += share * abs(gap)
        reliability += share * gap**2
        resolution += share * (y.mean() - base) ** 2
        resolution -= np.sum((p - p.mean()) ** 2) / n  # within-bin variance and covariance of
        resolution += 2 * np.sum((y - y.mean()) * (p - p.mean())) / n  # Stephenson et al. 2008
    return {
        "ece": ece,
        "ece_debiased": max(2 * ece - noisy, 0),
        "brier": brier_score_loss(labels, probabilities),
        "reliability": reliability,
        "resolution": resolution,
        "uncertainty": base * (1 - base),
        "nll": log_loss(labels, probabilities, labels=[False, True]),
    }


def resampled(labels, probabilities, bins, patients):
    """The slow statistics of every resample, by repeating frames."""
    rows = []
    for weight in patients.weights:
        times = weight[patients.group].astype(int)
        take = np.repeat(np.arange(len(labels)), times)
        copy = np.concatenate([np.arange(time) for time in times])  # which draw of the patient a frame is of
        rows.append(slow(labels[take], probabilities[take], bins[take], patients.group[take] * 1000 + copy))
    return {name: np.array([row[name] for row in rows]) for name in STATISTICS}


@pytest.mark.parametrize("levels", [None, 2])
def test_statistics_agree_with_loops_over_repeated_frames(levels):
    labels, logits, patient = frames(levels=levels)
    probabilities, patients = expit(logits), draw_patients(patient, resamples=20, seed=1)
    bins = equal_mass_bins(probabilities)
    (n, predicted, observed), found = calibration_statistics(
        labels, probabilities, bins, patients.group, patients.weights.T
    )
    expected = resampled(labels, probabilities, bins, patients)
    for name in STATISTICS:
        assert found[name] == pytest.approx(expected[name], abs=1e-12), name
    assert found["reliability"] - found["resolution"] + found["uncertainty"] == pytest.approx(found["brier"], abs=1e-15)
    for row, weight in enumerate(patients.weights):
        weight = weight[patients.group]
        for index in range(bins.max() + 1):
            inside = np.where(bins == index, weight, 0)
            assert n[index, row] == inside.sum()
            assert predicted[index, row] == pytest.approx(np.average(probabilities, weights=inside))
            assert observed[index, row] == pytest.approx(np.average(labels, weights=inside))


def test_intervals_are_those_of_an_explicit_resampling_loop():
    labels, logits, patient = frames(n=300, slope=0.2)
    patients = draw_patients(patient, resamples=100, seed=4)
    block = measure_calibration(table(labels, logits, patient), patients, "polyp", NOTHING_FITTED)["none"]
    bins = equal_mass_bins(expit(logits))
    for name, values in resampled(labels, expit(logits), bins, patients).items():
        low, high = np.quantile(values[1:], [0.025, 0.975])
        if name in MIRRORED:
            low, high = min(low, 2 * values[0] - high), max(high, 2 * values[0] - low)
            low = low if name == "resolution" else max(low, 0)
        assert block[name] == pytest.approx({"value": values[0], "low": low, "high": high}, abs=1e-12), name

    draws = patients.weights[1:][:, patients.group]
    for index, bin_ in enumerate(block["bins"]):
        inside = np.where(bins == index, draws, 0)
        shares = [np.average(labels, weights=weight) for weight in inside if weight.any()]
        expected = {"value": labels[bins == index].mean()} | dict(
            zip(("low", "high"), np.quantile(shares, [0.025, 0.975]), strict=True)
        )
        assert bin_["n_frames"] == (bins == index).sum()
        assert bin_["observed"] == pytest.approx(expected)


def test_bins_agree_with_scikit_learn_where_no_probabilities_are_equal():
    labels, logits, _ = frames(n=601)  # quantiles of 601 frames are frames, for any divisor of 600
    probabilities = expit(logits)
    bins = equal_mass_bins(probabilities, 10)
    observed, predicted = calibration_curve(labels, probabilities, n_bins=10, strategy="quantile")
    assert sorted(np.bincount(bins)) == [60] * 9 + [61]
    found = np.array([probabilities[bins == index].mean() for index in range(10)])
    assert found == pytest.approx(predicted, abs=0.004)  # a frame at an edge may go to either side
    assert [labels[bins == index].mean() for index in range(10)] == pytest.approx(observed, abs=0.02)


def test_frames_with_equal_probability_share_a_bin():
    probabilities = np.repeat([0.1, 0.2, 0.3, 0.9], [500, 3, 90, 7])
    bins = equal_mass_bins(probabilities)
    assert [len(np.unique(bins[probabilities == p])) for p in (0.1, 0.2, 0.3, 0.9)] == [1, 1, 1, 1]
    assert (np.diff(bins) >= 0).all() and bins[0] == 0
    assert np.unique(bins).tolist() == list(range(bins.max() + 1))
    assert equal_mass_bins(np.full(50, 0.5)).tolist() == [0] * 50
    assert np.bincount(equal_mass_bins(np.linspace(0, 1, 1500))).tolist() == [100] * 15
    assert equal_mass_bins(np.array([0.7, 0.2, 0.4])).tolist() == [2, 0, 1]


def test_the_folded_normal_is_scipys():
    mean, deviation = np.array([0.3, -0.02, 0.0, 0.5, 0.2]), np.array([0.1, 0.2, 0.3, 1e-3, 0])
    expected = [foldnorm.mean(abs(m) / s, scale=s) for m, s in zip(mean[:4], deviation[:4], strict=True)]
    assert folded_normal_mean(mean, deviation) == pytest.approx([*expected, 0.2])


def test_the_debiased_error_of_calibrated_frames_is_closer_to_the_truth():
    plain, debiased, lows = [], [], []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        logits = rng.normal(-1, 1.5, size=1500)
        labels = rng.random(1500) < expit(logits)
        patient = np.arange(1500) // 5
        block = measure_calibration(
            table(labels, logits, patient), draw_patients(patient, 200, seed), "polyp", NOTHING_FITTED
        )["none"]
        plain.append(block["ece"]["value"])
        debiased.append(block["ece_debiased"]["value"])
        lows.append(block["ece_debiased"]["low"])
    assert np.mean(plain) > 0.02
    assert np.mean(debiased) < 0.65 * np.mean(plain)  # the expected share is 2 - √2
    assert min(lows) == 0 and np.mean(np.array(lows) < 0.003) > 0.8  # the percentile interval never reaches down to 0


def test_clustered_noise_is_subtracted_too():
    # Labels are calibrated over patients, but all frames of a patient agree: 60 facts, not 6000.
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(60), 100)
    logits = np.repeat(rng.normal(size=60), 100)
    labels = np.repeat(rng.random(60) < expit(logits[::100]), 100)
    found = measure_calibration(table(labels, logits, patient), draw_patients(patient, 50, 0), "polyp", NOTHING_FITTED)
    probabilities = expit(logits)
    bins = equal_mass_bins(probabilities)
    *_, as_if_independent = calibration_statistics(labels, probabilities, bins, np.arange(6000), np.ones((6000, 1)))
    assert found["none"]["ece_debiased"]["value"] < 0.75 * as_if_independent["ece_debiased"][0]


def test_a_known_miscalibration_is_measured_and_mended():
    rng = np.random.default_rng(3)
    truth = rng.normal(-1, 1.5, size=20_000)
    labels, patient = rng.random(20_000) < expit(truth), np.arange(20_000) // 50
    everything = table(labels, 3 * truth, patient)
    validation, test = everything[:10_000], everything[10_000:].reset_index(drop=True)
    fitted = fit_calibration(validation, "polyp")
    found = measure_calibration(test, draw_patients(test["patient"], 200, 0), "polyp", fitted)
    assert list(found) == ["none", "temperature", "platt", "isotonic"]
    ece = np.mean(np.abs(expit(3 * truth[10_000:]) - expit(truth[10_000:])))
    assert found["none"]["ece"]["low"] < ece < found["none"]["ece"]["high"]
    for method in ("temperature", "platt", "isotonic"):
        assert found[method]["ece_debiased"]["high"] < 0.25 * found["none"]["ece_debiased"]["low"]
        assert found[method]["nll"]["high"] < found["none"]["nll"]["low"]
        assert found[method]["uncertainty"] == found["none"]["uncertainty"]


def test_certain_and_wrong_costs_what_scikit_learn_says():
    labels, logits, patient = frames()
    logits[:2], labels[:2] = 1000, [False, True]
    found = measure_calibration(table(labels, logits, patient), draw_patients(patient, 10, 0), "polyp", NOTHING_FITTED)
    assert found["none"]["nll"]["value"] == pytest.approx(log_loss(labels, expit(logits)), abs=1e-12)


def test_one_class_has_errors_and_a_reason():
    _, logits, patient = frames()
    block = measure_calibration(
        table(np.zeros(600), logits, patient), draw_patients(patient, 50, 0), "polyp", NOTHING_FITTED
    )["none"]
    p = expit(logits)
    assert block["ece"]["value"] == pytest.approx(p.mean())
    assert block["brier"]["value"] == pytest.approx(np.mean(p**2))
    assert block["ece"]["low"] < p.mean() < block["ece"]["high"]
    assert block["uncertainty"] == {"value": 0, "low": 0, "high": 0, "reason": "one class only"}
    assert {block[name]["reason"] for name in STATISTICS} == {"one class only"}
    assert block["bins"][0]["observed"] == {"value": 0, "low": None, "high": None, "reason": "one class only"}


@pytest.mark.parametrize(
    ("patient", "reason"),
    [(np.arange(600) % 2, "fewer than three patients"), (np.full(600, None), "no patient ids")],
)
def test_without_patients_there_are_values_but_no_intervals(patient, reason):
    labels, logits, _ = frames()
    found = measure_calibration(
        table(labels, logits, patient),
        draw_patients(pd.Series(patient, dtype="string"), 50, 0),
        "polyp",
        NOTHING_FITTED,
    )["none"]
    assert found["brier"] == {
        "value": pytest.approx(brier_score_loss(labels, expit(logits))),
        "low": None,
        "high": None,
        "reason": reason,
    }
    # The noise of patients is unknown, so it cannot be subtracted.
    assert found["ece_debiased"] == {"value": None, "low": None, "high": None, "reason": reason}
    assert {bin_["observed"]["reason"] for bin_ in found["bins"]} == {reason}


def test_what_cannot_be_measured_is_null():
    labels, logits, patient = frames()
    drawn, fitted = draw_patients(patient, 10, 0), fit_calibration(table(labels, logits, patient), "polyp")
    broken = table(labels, np.where(np.arange(600) == 5, np.nan, logits), patient)
    unlabelled = table(np.full(600, np.nan), logits, patient)
    for frames_, reason in ((broken, "NaN scores"), (unlabelled, "no labels")):
        found = measure_calibration(frames_, drawn, "polyp", fitted)
        assert list(found) == ["none", "temperature", "platt", "isotonic"]
        empty = {"value": None, "low": None, "high": None, "reason": reason}
        assert found["platt"] == dict.fromkeys(STATISTICS, empty) | {"bins": []}
    without = table(labels, logits, patient).drop(columns="logit_polyp").assign(probability_polyp=0.5)
    assert measure_calibration(without, drawn, "polyp", fitted) == {"reason": "no logits"}


def test_only_frames_with_a_label_count():
    labels, logits, patient = frames()
    known = measure_calibration(table(labels, logits, patient), draw_patients(patient, 50, 0), "polyp", NOTHING_FITTED)
    labels = np.r_[labels, np.full(5, np.nan)]
    logits, patient = np.r_[logits, np.full(5, np.nan)], np.r_[patient, patient[:5]]
    more = measure_calibration(table(labels, logits, patient), draw_patients(patient, 50, 0), "polyp", NOTHING_FITTED)
    assert more == known
