import numpy as np
import pandas as pd
import pytest

from capsight.errors import UserError
from capsight.evaluation.reading_study import WAYS, make_case
from capsight.evaluation.reading_study.cases import UNKNOWN, alarms, outcomes, ranks
from capsight.evaluation.reading_study.found import found_in_order


def test_positions_are_those_of_the_readable_frames(make):
    case = make(1, [("polyp", 10, 12), ("bleeding", 20, 21), ("content", 30, 40)], unreadable=(5, 11, 20, 21))
    assert len(case.frames) == 56
    assert case.spans.tolist() == [[9, 10], [18, 17]]  # of the second, no frame can be seen
    assert list(case.lesions["finding"]) == ["polyp", "bleeding"]
    assert np.flatnonzero(~case.clear).tolist() == [9, 10]
    assert list(case.events["finding"]) == ["polyp", "bleeding"] * 2
    probabilities = case.frames[["probability_polyp", "probability_bleeding"]]
    assert probabilities.notna().all(axis=None)


def test_frames_of_which_nobody_knows_are_neither_found_nor_shown_in_vain(make, findings):
    known = make(1, [("polyp", 10, 12)])
    lesions = pd.DataFrame(
        [("v1.mp4", "p1", "polyp", 1, 10, 12), ("v1.mp4", "p1", "polyp", UNKNOWN, 20, 29)],
        columns=["video", "patient", "finding", "lesion", "first", "last"],
    )
    frames = known.frames.assign(readable=True)
    case = make_case("v1.mp4", "p1", frames, known.events, known.thresholds, lesions, findings)
    assert case.spans.tolist() == [[10, 12]]
    assert known.clear.sum() - case.clear.sum() == 10
    with pytest.raises(UserError, match="60 frames"):
        make_case("v1.mp4", "p1", frames, known.events, known.thresholds, lesions.replace(29, 60), findings)


def test_every_way_finds_everything_once_all_frames_are_shown(make, findings):
    case = make(2, [("polyp", 10, 12), ("bleeding", 20, 50)])
    budgets = np.array([1, 4, 30, 60])
    found = outcomes(case, findings, budgets)
    assert tuple(found) == WAYS
    for outcome in found.values():
        assert outcome.found[..., -1].all()
        assert outcome.false[-1] == case.clear.sum()
    for way, at in ranks(case, findings).items():
        assert [(found[way].found[0, i] == (budgets >= rank)).all() for i, rank in enumerate(at)] == [True, True]


def test_alarms_are_the_best_frames_of_the_events_and_all_that_is_above_a_threshold(make, findings):
    case = make(3, [("polyp", 10, 12)])
    asked = alarms(case, findings)
    assert set(asked["events"]) == set(case.events["best"])
    above = (case.frames["probability_polyp"] >= 0.5) | (case.frames["probability_bleeding"] >= 0.6)
    assert asked["frames"].tolist() == np.flatnonzero(above).tolist()
    events = np.array(asked["events"])
    slow = found_in_order(np.concatenate([events, np.setdiff1d(np.arange(60), events)]), case.spans, [len(events)])
    assert case.shown(events).tolist() == slow[0, :, 0].tolist()
