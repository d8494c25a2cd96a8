import numpy as np
import pandas as pd
import pytest
import torch

from capsight.evaluation.bootstrap import draw_patients
from capsight.lecture.false_positives import ALL, compare_false_positives, false_positives

RNG = np.random.default_rng(0)
N = 120
TABLE = pd.DataFrame(
    {
        "patient": [f"p{row // 20}" for row in range(N)],
        "video": [f"v{row // (10 if row < 40 else 20)} of p{row // 20}" for row in range(N)],  # the first two have two
        "polyp": pd.array(RNG.integers(2, size=N), "Int8"),
        "bleeding": pd.array([None if row % 7 == 0 else int(row % 3 == 0) for row in range(N)], "Int8"),
        "content": pd.array([0] * N, "Int8"),
    }
)
FINDINGS = ["polyp", "bleeding", "content"]


def logits(separation):
    labels = TABLE[FINDINGS].fillna(0).to_numpy(dtype=float)
    return torch.from_numpy(np.round(separation * labels + np.random.default_rng(1).standard_normal((N, 3)), 1))


JUDGES = {"one": logits(1.0), "other": logits(3.0)}


def slow(labels, scores, videos, sensitivity):
    """Go down the thresholds until enough positives are found, and count what else is flagged."""
    for threshold in sorted(set(scores), reverse=True):
        flagged = scores >= threshold
        if (flagged & labels).sum() >= sensitivity * labels.sum() - 1e-9:
            return (flagged & ~labels).sum() / videos
    raise AssertionError


@pytest.mark.parametrize("sensitivity", [0.1, 0.5, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("finding", ["polyp", "bleeding"])
def test_it_is_the_slow_way(finding, sensitivity):
    numbers = compare_false_positives(TABLE, FINDINGS, JUDGES, sensitivity=sensitivity, seed=0)
    known = TABLE[finding].notna().to_numpy()
    labels = TABLE[finding][known].to_numpy(dtype=bool)
    for name, values in JUDGES.items():
        scores = values[:, FINDINGS.index(finding)].numpy()[known]
        found = numbers["false_positives_per_video"][finding][name]["value"]
        assert found == pytest.approx(slow(labels, scores, TABLE["video"].nunique(), sensitivity))


def test_resamples_draw_patients_with_their_videos():
    patients = draw_patients(TABLE["patient"], 20, seed=0)
    labels, scores = TABLE["polyp"].to_numpy(dtype=bool), JUDGES["one"][:, 0].numpy()
    videos = np.array([2, 2, 1, 1, 1, 1])
    found = false_positives(labels, scores, patients.group, patients, videos, 0.8)
    for weights, value in zip(patients.weights, found, strict=True):
        rows = np.repeat(np.arange(N), weights[patients.group].astype(int))
        assert value == pytest.approx(slow(labels[rows], scores[rows], weights @ videos, 0.8))


def test_the_better_judge_flags_less_and_the_findings_are_added_up():
    numbers = compare_false_positives(TABLE, FINDINGS, JUDGES, sensitivity=0.9, seed=0)
    alarms, fewer = numbers["false_positives_per_video"], numbers["fewer_than_one"]
    assert list(fewer["polyp"]) == ["other"]
    assert fewer["polyp"]["other"]["low"] > 0
    for finding in ("polyp", "bleeding", ALL):
        difference = alarms[finding]["one"]["value"] - alarms[finding]["other"]["value"]
        assert fewer[finding]["other"]["value"] == pytest.approx(difference)
    total = sum(alarms[finding]["other"]["value"] for finding in ("polyp", "bleeding"))
    assert alarms[ALL]["other"]["value"] == pytest.approx(total)
    assert numbers["auroc"]["polyp"]["other"]["value"] > 0.9


def test_what_cannot_be_said_has_a_reason():
    numbers = compare_false_positives(TABLE, FINDINGS, JUDGES, sensitivity=0.9, seed=0)
    assert numbers["false_positives_per_video"]["content"]["reason"] == "one class only"
    two = TABLE.assign(patient=["a", "b"] * 60)
    numbers = compare_false_positives(two, FINDINGS, JUDGES, sensitivity=0.9, seed=0)
    for finding in ("polyp", ALL):
        told = numbers["fewer_than_one"][finding]["other"]
        assert told["low"] is None and told["reason"] == "fewer than three patients"
    nothing = compare_false_positives(TABLE, ["content"], JUDGES, sensitivity=0.9, seed=0)
    assert set(nothing["false_positives_per_video"]) == {"content"}
