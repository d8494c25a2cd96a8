"""Peers that fail cost their row; memory is that of the work; sizes that will not fit are not tried."""

import importlib
from functools import partial

import pytest


@pytest.fixture
def cases(benchmarks):
    return importlib.import_module("cases")


def counting(size):
    return lambda: sum(range(1000))


def filling(size, mib):
    return lambda: b"x" * (mib << 20)


def failing(size):
    raise ImportError("no such peer")


def case(cases, size=1, **peers):
    return cases.Case("work", size, {"size": size}, {"size": 1}, counting, peers)


def test_a_peer_that_fails_is_a_row_that_says_so(cases):
    (rows,) = cases.measure([case(cases, peer=failing)])
    assert rows[0]["ours"] > 0 and rows[0]["peer"] is None and rows[0]["ratio"] is None
    assert rows[0]["note"] == "peer: ImportError: no such peer"


def test_after_a_failure_no_larger_size_is_tried(cases):
    _, rows = cases.measure([case(cases, 1, peer=failing), case(cases, 2, peer=failing)])
    assert "not tried: at a smaller size it ImportError" in rows[0]["note"]


def test_what_is_not_tried_is_foreseen_anew_for_each_size(cases, monkeypatch):
    monkeypatch.setattr(cases, "_weigh", lambda case, maker: cases.Cost(case.size, case.size**2.0, 1.0))
    monkeypatch.setattr(cases, "_time", lambda case, costs: cases.Clocked({}, {}, 1))
    rows = cases.measure([case(cases, size, peer=counting) for size in (2, 4, 8, 16)])
    assert [of[0]["note"] for of in rows] == [
        None, None, "peer: not tried: would take about 64 s", "peer: not tried: would take about 256 s"
    ]  # fmt: skip


def test_a_case_says_what_it_has_to_and_no_memory_where_others_take_part(cases):
    made = cases.Case("work", 1, {"size": 1}, {"size": 1}, counting, {"peer": counting}, alone=False, remark="so it is")
    ((row,),) = cases.measure([made])
    assert row["note"] == "so it is" and row["ratio"] > 0
    assert row["ours_mib"] is row["peer_mib"] is row["leaner"] is None


def test_memory_is_what_the_work_takes(cases):
    mib, _ = cases.weigh(partial(filling, mib=64), {"size": 1}, {"size": 1})
    if mib is None:
        pytest.skip("this system does not tell")
    assert 60 < mib < 70


def test_a_work_that_takes_too_long_or_too_much_is_ended(benchmarks):
    apart = importlib.import_module("apart")
    time = importlib.import_module("time")
    with pytest.raises(apart.Failed, match="takes more than 0 s"):
        apart.apart(time.sleep, 60, limit_s=0.2)
    if apart.memory():
        with pytest.raises(apart.Failed, match="needs more than"):
            apart.apart(time.sleep, 60, limit_s=20, limit_mib=1)


def test_what_a_larger_size_costs_is_foreseen(benchmarks):
    timing = importlib.import_module("timing")
    ahead = timing.foresee([timing.Cost(100, 1.0, 10.0), timing.Cost(200, 8.0, 40.0)], 400)
    assert ahead.seconds == pytest.approx(64) and ahead.mib == pytest.approx(160)
    assert timing.foresee([timing.Cost(100, 1.0, None)], 400) == (400, 1.0, None)


@pytest.mark.parametrize(("budget", "seconds", "rounds"), [(15, 100, 3), (15, 2, 7), (15, 1e-6, 15)])
def test_rounds_fit_the_budget(benchmarks, budget, seconds, rounds):
    assert importlib.import_module("timing").rounds_within(budget, seconds) == rounds


def test_results_are_compared_relative_to_the_peer(cases):
    assert cases.difference([1.0, [2.0, 4.0]], [1.0, [2.0, 5.0]]) == pytest.approx(0.2)
    assert cases.difference([1.0], [1.0, 2.0]) == 1.0
