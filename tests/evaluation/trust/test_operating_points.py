"""Thresholds against trying all of them; what they become against scikit-learn on every resample."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import recall_score

from capsight.evaluation.bootstrap import draw_patients
from capsight.evaluation.statistics import ranking_statistics
from capsight.evaluation.trust.operating_points import fit_operating_points, measure_operating_points

KINDS = ("specificity", "sensitivity")


def table(labels, logits, patients=None) -> pd.DataFrame:
    patients = [f"p{row % 6}" for row in range(len(labels))] if patients is None else patients
    frames = pd.DataFrame({"patient": patients, "label_polyp": labels, "logit_polyp": logits})
    return frames.astype({"patient": "string", "label_polyp": "Int8"})


def clustered(seed: int, levels: int | None = None, n: int = 90) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    patient = rng.integers(12, size=n)
    labels = rng.random(n) < 0.25
    logits = rng.normal(size=12)[patient] / 2 + labels + rng.normal(size=n)
    logits = logits if levels is None else np.round(logits * levels) / levels
    return table(labels.astype(int), logits, [f"p{i}" for i in patient])


def rates(frames: pd.DataFrame, threshold: float) -> dict[str, float]:
    truth, said = frames["label_polyp"].to_numpy(bool), frames["logit_polyp"].to_numpy() >= threshold
    return {"specificity": np.mean(~said[~truth]), "sensitivity": np.mean(said[truth])}


@pytest.mark.parametrize("levels", [None, 10, 2])
@pytest.mark.parametrize("seed", range(3))
def test_threshold_is_the_best_of_all_that_reach_the_target(seed, levels):
    frames = clustered(seed, levels)
    tried = [rates(frames, threshold) for threshold in [*np.unique(frames["logit_polyp"]), np.inf]]
    fitted = fit_operating_points(frames, "polyp")
    for kind, other in (KINDS, KINDS[::-1]):
        for target, point in fitted[kind].items():
            found = rates(frames, point["threshold"])
            assert found[kind] >= float(target) - 1e-12
            assert found[other] == max(one[other] for one in tried if one[kind] >= float(target) - 1e-12)
            # Nothing that it may have is left over: one step further on breaks the target.
            further = [one[kind] for one in tried if one[kind] < found[kind]]
            assert max(further) < float(target) - 1e-12


def test_sensitivity_is_that_of_the_ranking():
    frames = clustered(7)
    labels, scores = frames["label_polyp"].to_numpy(bool), frames["logit_polyp"].to_numpy()
    one = np.zeros(len(frames), int)
    *_, expected = ranking_statistics(labels, scores, one, np.ones((1, 1)), [0.95, 0.9, 0.8])
    fitted = fit_operating_points(frames, "polyp")["specificity"]
    assert [rates(frames, point["threshold"])["sensitivity"] for point in fitted.values()] == pytest.approx(expected[0])


def test_a_target_that_is_met_exactly_counts():
    # Ten frames of each kind: one of ten may be wrong, which 1 - 0.9 misses by rounding.
    frames = table([0] * 10 + [1] * 10, [*range(9), 20, 5, *range(11, 20)])
    fitted = fit_operating_points(frames, "polyp", ("0.90",))
    assert fitted["specificity"]["0.90"]["threshold"] == 9.5  # between 8, which it must not reach, and 11
    assert fitted["sensitivity"]["0.90"]["threshold"] == 9.5  # may miss the 5 alone; halfway from 11 down to 8


def test_threshold_lies_between_scores_where_a_number_does():
    above = np.nextafter(1, 2)
    frames = table([0, 1], [1, above])
    fitted = fit_operating_points(frames, "polyp", ("0.90",))
    assert fitted["specificity"]["0.90"]["threshold"] == fitted["sensitivity"]["0.90"]["threshold"] == above
    point = measure_operating_points(frames, draw_patients(frames["patient"], 5, 0), "polyp", fitted)
    numbers = [point["specificity"]["0.90"][kind]["value"] for kind in KINDS]
    assert numbers == [1, 1]  # from the threshold on is yes


def test_patients_are_those_that_the_target_rests_on():
    frames = table([0, 0, 0, 1, 1, pd.NA], [0, 1, 2, 3, 4, 5], ["a", "b", pd.NA, "b", "b", "c"])
    fitted = fit_operating_points(frames, "polyp", ("0.80",))
    assert [fitted[kind]["0.80"]["n_patients"] for kind in KINDS] == [2, 1]


def test_the_same_answer_to_every_frame_is_no_operating_point():
    fitted = fit_operating_points(table([0, 1, 0, 1], 0.0), "polyp", ("0.90",))
    no, yes = (fitted[kind]["0.90"] for kind in KINDS)
    assert no == {"threshold": None, "reason": "only no to every frame reaches it", "n_patients": 2}
    assert yes == {"threshold": None, "reason": "only yes to every frame reaches it", "n_patients": 2}
    # Not constant, but the highest score and the lowest are of both kinds: only the middle target is a decision.
    coarse = table([0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 0, 1, 1, 1])
    fitted = fit_operating_points(coarse, "polyp", ("0.90", "0.75"))
    for kind in KINDS:
        assert fitted[kind]["0.90"]["threshold"] is None
        assert fitted[kind]["0.75"]["threshold"] == 0.5


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (table([0, 0, 0], [0, 1, 2]), "one class only"),
        (table([1, 1, 1], [0, 1, 2]), "one class only"),
        (table([1, 0, 0], [0, np.nan, 2]), "NaN scores"),
        (table([1, 0, 0], [0, np.inf, 2]), "NaN scores"),
        (table([pd.NA] * 3, [0, 1, 2]), "no labels"),
        (table([1, 0, 0], [0, 1, 2]).rename(columns={"logit_polyp": "probability_polyp"}), "no logits"),
    ],
)
def test_what_cannot_be_fitted_is_null_and_stays_so(frames, reason):
    fitted = fit_operating_points(frames, "polyp", ("0.90",))
    points = [fitted[kind]["0.90"] for kind in KINDS]
    assert [(point["threshold"], point["reason"]) for point in points] == [(None, reason)] * 2
    good = clustered(0)
    measured = measure_operating_points(good, draw_patients(good["patient"], 5, 0), "polyp", fitted)
    expected = {"value": None, "low": None, "high": None, "reason": reason}
    for kind in KINDS:
        assert measured[kind]["0.90"] == {"threshold": None, "sensitivity": expected, "specificity": expected}


def test_measured_rates_are_scikit_learns_on_every_resample():
    frames, fitted = clustered(1), fit_operating_points(clustered(0), "polyp")
    frames.loc[::9, ["label_polyp", "logit_polyp"]] = [pd.NA, np.nan]  # unknown labels do not count
    patients = draw_patients(frames["patient"], 15, 0)
    measured = measure_operating_points(frames, patients, "polyp", fitted)
    for kind in KINDS:
        for target, point in measured[kind].items():
            assert point["threshold"] == fitted[kind][target]["threshold"]
            resampled = []
            for weight in patients.weights:
                drawn = frames.iloc[np.repeat(np.arange(len(frames)), weight[patients.group].astype(int))]
                drawn = drawn[drawn["label_polyp"].notna()]
                truth, said = drawn["label_polyp"].to_numpy(int), drawn["logit_polyp"] >= point["threshold"]
                resampled.append([recall_score(truth, said, pos_label=label) for label in (0, 1)])
            for column, name in enumerate(KINDS):
                values = [one[column] for one in resampled]
                expected = [values[0], *np.quantile(values[1:], [0.025, 0.975])]
                assert [point[name][end] for end in ("value", "low", "high")] == pytest.approx(expected)
    json.dumps([fitted, measured], allow_nan=False)


def test_each_number_needs_frames_of_its_own_kind_only():
    fitted = fit_operating_points(clustered(0), "polyp", ("0.90",))
    healthy = clustered(1).assign(label_polyp=0)
    patients = draw_patients(healthy["patient"], 20, 0)
    point = measure_operating_points(healthy, patients, "polyp", fitted)["specificity"]["0.90"]
    assert point["sensitivity"] == {"value": None, "low": None, "high": None, "reason": "no positive frames"}
    assert point["specificity"]["low"] < point["specificity"]["value"] < point["specificity"]["high"]
    ill = measure_operating_points(healthy.assign(label_polyp=1), patients, "polyp", fitted)["specificity"]["0.90"]
    assert ill["specificity"]["reason"] == "no negative frames"
    assert ill["sensitivity"]["value"] == pytest.approx(1 - point["specificity"]["value"])


def test_frames_that_carry_no_number_or_no_interval():
    fitted = fit_operating_points(clustered(0), "polyp", ("0.90",))
    single = clustered(1).assign(patient="p")
    patients = draw_patients(single["patient"], 20, 0)
    point = measure_operating_points(single, patients, "polyp", fitted)["sensitivity"]["0.90"]
    assert point["sensitivity"]["value"] is not None
    assert (point["sensitivity"]["low"], point["sensitivity"]["reason"]) == (None, "fewer than three patients")
    broken = single.assign(logit_polyp=np.nan)
    point = measure_operating_points(broken, patients, "polyp", fitted)["sensitivity"]["0.90"]
    assert point["threshold"] is not None
    assert (point["specificity"]["value"], point["specificity"]["reason"]) == (None, "NaN scores")
