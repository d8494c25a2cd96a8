"""An aim is met by its row alone, and never without one."""

import importlib

import pytest


@pytest.fixture
def aims(benchmarks):
    return importlib.import_module("aims")


def row(**columns):
    made = {"name": "triplet loss, batch-all", "size": 1024, "peer_name": "pytorch-metric-learning"}
    return made | {"ours": 0.1, "ratio": 21.0, "leaner": 49.0, "note": None} | columns


def states(aims, *rows):
    return {aim["aim"]: aim["state"] for aim in aims.judge(list(rows), [])}


def test_met_and_not_met(aims):
    found = states(aims, row())
    text = "triplet loss, batch-all, 1,024: at least {} than pytorch-metric-learning"
    assert found[text.format("20 times faster")] == "met"
    assert found[text.format("50 times leaner")] == "not met"


def test_possible_is_met_without_a_peer(aims):
    key = "triplet loss, batch-all, 4,096: possible"
    assert states(aims, row(size=4096, ratio=None, leaner=None))[key] == "met"
    assert states(aims, row(size=4096, ours=None, ratio=None))[key] == "not met"
    assert states(aims)[key] == "not measured"


def test_a_row_without_a_number_says_why(aims):
    judged = aims.judge([row(ratio=None, note="pytorch-metric-learning: ImportError")], [])
    assert (judged[0]["state"], judged[0]["why"]) == ("not measured", "pytorch-metric-learning: ImportError")


def test_engines_are_judged_by_their_check(aims):
    check = {"name": f"OpenVINO int8 {aims.AUROC} on unseen devices", "number": 0.01, "passed": False, "note": None}
    assert aims.judge([], [check])[-1]["state"] == "not met"


def test_every_aim_is_of_a_case_that_is_measured(aims):
    names = set()
    for family in ("triplet", "retrieval", "cam", "mc_dropout", "bootstrap", "engines"):
        for case in importlib.import_module(family).cases(quick=False):
            names |= {(case.name, case.size, peer) for peer in case.peers}
    for aim in aims.AIMS:
        assert any((aim.name, aim.peer) == (n, p) and aim.size in (None, s) for n, s, p in names), aim
