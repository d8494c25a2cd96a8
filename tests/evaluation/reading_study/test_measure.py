import json

import numpy as np
import pytest

from capsight.evaluation.bootstrap import draw_patients
from capsight.evaluation.reading_study import WAYS, measure_study
from capsight.evaluation.reading_study.cases import outcomes
from capsight.evaluation.reading_study.found import STARTS

SPANS = {
    1: [("polyp", 3, 9), ("bleeding", 30, 31)],
    2: [("polyp", 50, 52)],
    3: [],
    4: [("bleeding", 0, 20), ("polyp", 22, 22), ("polyp", 40, 41)],
    5: [("polyp", 11, 14)],
}


@pytest.fixture
def cases(make):
    own = [make(number, spans) for number, spans in SPANS.items()]
    return [*own, make(6, [("polyp", 5, 6)], patient="p1", n=90)]  # a second video of the first patient


def slow_sensitivity(cases, findings, way, patients, budgets):
    """Count lesions and patients of a list of patients, who may stand in it more than once."""
    found = {case: outcomes(case, findings, budgets)[way].found for case in cases}
    hits, lesions, ill, told = 0, 0, 0, 0
    for patient in patients:
        own = [case for case in cases if case.patient == patient]
        hits = hits + sum(found[case].mean(0).sum(0) for case in own)
        lesions += sum(len(case.lesions) for case in own)
        if any(len(case.lesions) for case in own):
            ill += 1
            every = np.concatenate([np.broadcast_to(found[c], (STARTS, *found[c].shape[1:])) for c in own], axis=1)
            told = told + every.any(axis=1).mean(0)
    return hits / lesions, told / ill


def test_the_curves_are_those_of_counting(cases, findings):
    study = measure_study(cases, findings, resamples=50)
    budgets = np.array(study["budgets"])
    everyone = list(dict.fromkeys(case.patient for case in cases))
    for way in WAYS:
        lesions, patients = slow_sensitivity(cases, findings, way, everyone, budgets)
        assert study["ways"][way]["lesion_sensitivity"]["value"] == pytest.approx(lesions)
        assert study["ways"][way]["patient_sensitivity"]["value"] == pytest.approx(patients)
        false = np.mean([outcomes(case, findings, budgets)[way].false for case in cases], axis=0)
        assert study["ways"][way]["false_frames"]["value"] == pytest.approx(false)
        needed = study["ways"][way]["frames_for_target"]["value"]
        assert needed == next(n for n, share in zip(budgets, lesions, strict=True) if share >= 0.95 - 1e-9)
        at_target = study["ways"][way]["false_frames_at_target"]["value"]
        assert at_target == pytest.approx(false[list(budgets).index(needed)])
    assert (study["n_lesions"], study["n_patients"], study["n_patients_with_lesion"], study["n_videos"]) == (8, 5, 4, 6)


def test_the_intervals_are_those_of_drawing_patients(cases, findings):
    study = measure_study(cases, findings, resamples=40, seed=3)
    budgets, drawn = np.array(study["budgets"]), draw_patients([case.patient for case in cases], 40, 3)
    names = sorted({case.patient for case in cases})
    for way in WAYS:
        resampled = []
        for weights in drawn.weights[1:]:
            chosen = [name for name, times in zip(names, weights, strict=True) for _ in range(int(times))]
            resampled.append(slow_sensitivity(cases, findings, way, chosen, budgets)[0])
        low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
        assert study["ways"][way]["lesion_sensitivity"]["low"] == pytest.approx(low)
        assert study["ways"][way]["lesion_sensitivity"]["high"] == pytest.approx(high)
        needed = [budgets[(curve >= 0.95 - 1e-9).argmax()] for curve in resampled]
        told = study["ways"][way]["frames_for_target"]
        assert [told["low"], told["high"]] == pytest.approx(np.quantile(needed, [0.025, 0.975]))


def test_findings_are_counted_by_themselves_and_lesions_listed(cases, findings):
    study = measure_study(cases, findings, resamples=20)
    polyp, bleeding = study["by_finding"]["polyp"], study["by_finding"]["bleeding"]
    assert (polyp["n_lesions"], polyp["n_patients"]) == (6, 4)
    assert (bleeding["n_lesions"], bleeding["n_patients"]) == (2, 2)
    assert bleeding["ways"]["events"]["lesion_sensitivity"]["reason"] == "fewer than three patients"
    pooled = study["ways"]["events"]["lesion_sensitivity"]["value"]
    parts = [
        part["n_lesions"] * np.array(part["ways"]["events"]["lesion_sensitivity"]["value"])
        for part in (polyp, bleeding)
    ]
    assert pooled == pytest.approx(sum(parts) / 8)
    at = [row["found_at"]["events"] for row in study["lesions"]]
    assert [sum(rank <= n for rank in at) / 8 for n in study["budgets"]] == pytest.approx(pooled)
    json.dumps(study, allow_nan=False)


def test_ratios_are_paired(cases, findings):
    study = measure_study(cases, findings, resamples=30)
    needed = {way: study["ways"][way]["frames_for_target"]["value"] for way in WAYS}
    for way, times in study["times_as_many"].items():
        assert times["value"] == pytest.approx(needed[way] / needed["events"])


def test_alarms_are_averages_over_videos(cases, findings):
    alarms = measure_study(cases, findings, resamples=20)["alarms"]
    best = [set(case.events["best"]) for case in cases]
    assert alarms["events"]["per_video"]["value"] == np.mean([len(one) for one in best])
    vain = [sum(case.clear[at] for at in one) for case, one in zip(cases, best, strict=True)]
    assert alarms["events"]["false_per_video"]["value"] == pytest.approx(np.mean(vain))
    hits = sum(
        any(low <= at <= high for at in one) for case, one in zip(cases, best, strict=True) for low, high in case.spans
    )
    assert alarms["events"]["lesion_sensitivity"]["value"] == pytest.approx(hits / 8)


def test_what_the_data_cannot_support_is_null_with_its_reason(make, findings):
    healthy = measure_study([make(1, []), make(2, [])], findings, resamples=10)
    assert healthy["ways"]["events"]["frames_for_target"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "no lesion",
    }
    assert healthy["ways"]["events"]["lesion_sensitivity"]["value"] is None
    json.dumps(healthy, allow_nan=False)
    hidden = measure_study([make(1, [("polyp", 4, 5)], unreadable=(4, 5))], findings, resamples=10)
    assert hidden["ways"]["events"]["frames_for_target"]["reason"] == "not reached"
    assert hidden["lesions"][0]["found_at"]["events"] is None


def test_as_many_frames_are_compared(cases, findings):
    study = measure_study(cases, findings, resamples=30)
    assert list(study["shown"]) == ["10"]  # no video has 100 frames
    at = study["budgets"].index(10)
    ours = study["ways"]["events"]["lesion_sensitivity"]["value"][at]
    for way, told in study["shown"]["10"].items():
        found = study["ways"][way]["lesion_sensitivity"]["value"][at]
        assert told["lesion_sensitivity"]["value"] == found
        assert way == "events" or told["more_by_events"]["value"] == pytest.approx(ours - found)
