"""Means over frames with patient intervals, and the baselines, against repeated frames."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from capsight.evaluation.bootstrap import draw_patients
from capsight.explain.measure import (
    HIGHER_IS_BETTER,
    against_baselines,
    mean_interval,
    measure_explanations,
    print_explanations,
)


def maps(seed: int = 0, patients: int = 12) -> pd.DataFrame:
    """Frames of two devices and two findings, explained by a good method and both baselines."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(patients * 5):
        patient = number % patients
        frame = {"path": f"{number}.jpg", "patient": f"p{patient}", "device": f"d{patient % 2}"}
        for finding in ("polyp", "bleeding")[: 1 + number % 2]:
            for method, shift in (("cam", 0.3), ("random", 0), ("centre", 0.05)):
                values = {
                    name: rng.normal(0.4 + shift * (1 if up else -1), 0.1) for name, up in HIGHER_IS_BETTER.items()
                }
                rows.append(frame | {"method": method, "finding": finding} | values)
    return pd.DataFrame(rows)


def test_mean_agrees_with_repeated_frames():
    rng = np.random.default_rng(0)
    patient, values = rng.integers(6, size=40), rng.random(40)
    values[::7] = np.nan
    drawn = draw_patients(patient, 300, seed=2)
    means = []
    for weight in drawn.weights:
        repeated = np.repeat(values, weight[drawn.group].astype(int))
        means.append(np.nanmean(repeated))
    found = mean_interval(values, drawn)
    low, high = np.quantile(means[1:], [0.025, 0.975])
    assert found == pytest.approx({"value": means[0], "low": low, "high": high, "n_frames": 34})


def test_mean_says_why_there_is_none():
    drawn = draw_patients(list("aabbcc"), 100, seed=0)
    assert mean_interval(np.full(6, np.nan), drawn, "no mask") == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "no mask",
        "n_frames": 0,
    }
    two = mean_interval(np.array([1, 2, 3, 4, np.nan, np.inf]), drawn)
    assert (two["value"], two["low"], two["reason"], two["n_frames"]) == (2.5, None, "fewer than three patients", 4)
    nobody = draw_patients(pd.Series([pd.NA] * 6, dtype="string"), 100, seed=0)
    assert mean_interval(np.ones(6), nobody)["reason"] == "no patient ids"


def test_blocks_hold_every_method_finding_and_device():
    table = maps()
    table.loc[(table["finding"] == "bleeding") & (table["device"] == "d1"), "pointing_game"] = np.nan
    table.loc[table["path"] == "0.jpg", "best_iou"] = np.nan
    methods = measure_explanations(table, resamples=200)
    assert list(methods) == ["cam", "random", "centre"]
    cam = methods["cam"]
    assert cam["findings"]["polyp"]["n_frames"] == 60
    assert cam["findings"]["polyp"]["best_iou"]["n_frames"] == 59
    of_cam = table[(table["method"] == "cam") & (table["finding"] == "polyp")]
    for name in HIGHER_IS_BETTER:
        assert cam["findings"]["polyp"][name]["value"] == pytest.approx(of_cam[name].mean())
        on_device = cam["by_device"]["d0"]["findings"]["polyp"][name]
        assert on_device["value"] == pytest.approx(of_cam.loc[of_cam["device"] == "d0", name].mean())
        assert on_device["low"] < on_device["value"] < on_device["high"]
    assert sorted(cam["by_device"]) == ["d0", "d1"]
    assert list(cam["by_device"]["d0"]["findings"]) == ["polyp"]  # bleeding is on the other device only
    missing = cam["findings"]["bleeding"]["pointing_game"]
    assert missing["value"] is None and missing["reason"] == "no frame with a known region"


def test_methods_are_measured_under_the_same_draws():
    table = maps()
    rows = table["method"] == "random"
    table.loc[rows, list(HIGHER_IS_BETTER)] = table.loc[table["method"] == "cam", list(HIGHER_IS_BETTER)].to_numpy()
    methods = measure_explanations(table, resamples=50)
    assert methods["random"] == methods["cam"]


def test_measures_that_were_not_taken_are_null():
    methods = measure_explanations(maps().drop(columns=["infidelity", "best_iou"]).assign(device=pd.NA), resamples=20)
    polyp = methods["cam"]["findings"]["polyp"]
    assert (
        polyp["infidelity"]["reason"] == "not measured"
        and polyp["best_iou"]["reason"] == "no frame with a known region"
    )
    assert list(methods["cam"]["by_device"]) == ["unknown"]


def test_a_method_is_better_where_no_interval_overlaps():
    def number(low, high):
        return {"value": (low + high) / 2, "low": low, "high": high}

    def compare(own, random, centre, name="pointing_game"):
        numbers = {"cam": own, "random": random, "centre": centre}
        methods = {method: {"findings": {"polyp": {name: value}}} for method, value in numbers.items() if value}
        return against_baselines(methods, "cam", "polyp", name)

    low, middle, high = number(0.1, 0.2), number(0.3, 0.4), number(0.5, 0.6)
    assert compare(high, low, middle) == "better"
    assert compare(middle, low, high) == "worse"
    assert compare(middle, low, number(0.35, 0.5)) is None
    assert compare(low, middle, high, "deletion_auc") == "better"
    assert compare(high, middle, high, "deletion_auc") == "worse"
    assert compare(high, middle, high, "max_sensitivity") is None
    assert compare(high, low, None) == "better"  # one baseline only
    assert compare(high, low, {"value": 0.3, "low": None, "high": None}) is None
    assert compare(high, None, None) is None


def test_table_fits_a_terminal_and_marks_what_is_better():
    table = maps().assign(best_iou=np.nan)
    table["method"] = table["method"].replace("cam", "integrated_gradients")
    text = io.StringIO()
    print_explanations(measure_explanations(table, resamples=200), Console(file=text, width=80))
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if "▲" in line][:2] == ["integrated_gradients"] * 2
    assert all("random" not in line and "centre" not in line for line in lines if "▲" in line)
    order = [line.split()[0] for line in lines if line.strip()]
    assert order.index("integrated_gradients") < order.index("random")
    assert "What is missing: no frame with a known region." in text.getvalue()
    assert "–" in text.getvalue() and "…" not in text.getvalue()
