"""Telling devices apart by patients that were not trained on: folds, chance, and what a patient's look must not do."""

import numpy as np
import pytest

from capsight.evaluation.shift.telling import deal_folds, tell_apart

RNG = np.random.default_rng(0)


def sample(patients=8, frames=6, devices=2, apart=0.0, own=0.0, d=5):
    """Frames of patients of several devices; `own` is how much a patient's frames have in common."""
    patient = np.repeat(np.arange(patients * devices), frames)
    device = patient % devices
    looks = RNG.normal(size=(patients * devices, d), scale=own)[patient]
    return RNG.normal(size=(len(patient), d)) + looks + apart * device[:, None], device, patient


def test_folds_hold_whole_patients_and_every_kind():
    _, device, patient = sample(patients=7, devices=3)
    fold = deal_folds(device, patient, folds=5, seed=0)
    assert all(len(np.unique(fold[patient == one])) == 1 for one in np.unique(patient))
    assert all(len(np.unique(device[fold == number])) == 3 for number in range(5))


def test_tells_what_differs_and_not_what_does_not():
    far = tell_apart(*sample(apart=3.0), resamples=200, seed=0).interval()
    same = tell_apart(*sample(), resamples=200, seed=0).interval()
    assert far["low"] > 0.95
    assert same["low"] < 0.5 < same["high"]


def test_the_look_of_patients_does_not_tell_their_device():
    """By frame, a classifier would know the patients again, and so their device."""
    values = [tell_apart(*sample(own=3.0, d=30), resamples=2, seed=seed).value for seed in range(8)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.12)


def test_balanced_accuracy_is_the_mean_recall():
    features, device, patient = sample(apart=1.0)
    keep = (device == 0) | (patient < 6)  # far fewer frames of device 1
    told = tell_apart(features[keep], device[keep], patient[keep], resamples=50, seed=0)
    many = tell_apart(features, device, patient, resamples=50, seed=0)
    assert told.value == pytest.approx(many.value, abs=0.2)
    assert told.value > 0.6


def test_says_what_it_cannot():
    features, device, patient = sample()
    assert tell_apart(features, device, device, resamples=5, seed=0).interval()["reason"] == "fewer than two patients"
    assert tell_apart(features, device * 0, patient, resamples=5, seed=0).interval()["reason"] == "one device only"
    two = tell_apart(features[patient < 4], device[patient < 4], patient[patient < 4], resamples=5, seed=0)
    assert two.interval()["reason"] == "fewer than three patients"
