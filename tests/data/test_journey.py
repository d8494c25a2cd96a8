from itertools import groupby

import numpy as np
import pytest

from capsight.data.phantom import journey as module
from capsight.data.phantom.dataset import TOLD
from capsight.data.phantom.findings import BLOCK
from capsight.data.phantom.journey import HURRIED, LESIONS, STEP, Place, _passed, journey, plan_lesions
from capsight.data.phantom.video import FRAMES_PER_BLOCK
from capsight.errors import UserError

SMALL = {"patient_seed": 5001, "device": "phantom_1", "n_frames": 500, "lesions": 2, "size": 32, "rest": 2}


@pytest.fixture(scope="module")
def seen():
    frames = list(journey(**SMALL, hurry=2))
    return np.stack([frame for frame, _, _ in frames]), [(finding, lesion) for _, finding, lesion in frames]


def test_every_lesion_has_one_span_and_those_that_are_hurried_past_three_frames(seen):
    frames, tags = seen
    assert frames.shape == (500, 32, 32, 3)
    runs = [(tag, len(list(run))) for tag, run in groupby(tags)]
    assert [lesion for (_, lesion), _ in runs] == [0, 1, 0, 2, 0]  # nothing before, between and behind them
    lengths = {lesion: length for (_, lesion), length in runs}
    assert lengths[1] > HURRIED
    assert lengths[2] == HURRIED
    assert all((finding in LESIONS) == bool(lesion) for (finding, lesion), _ in runs)


def test_frames_at_one_place_differ_and_are_the_same_for_the_same_seed(seen):
    frames, tags = seen
    again = [frame for frame, _, _ in journey(**SMALL, hurry=2)]
    assert (np.stack(again) == frames).all()
    assert all((one != other).any() for one, other in zip(frames, frames[1:], strict=False))
    nearest = np.abs(frames[1:].astype(float) - frames[:-1]).mean((1, 2, 3))
    assert np.median(nearest) < 0.3 * np.abs(frames[0].astype(float) - frames[-1]).mean()


def test_lesions_are_dealt_over_the_way_without_two_in_view():
    lesions = plan_lesions(7, 6, 6 * 20.0)
    assert sorted(lesion.finding for lesion in lesions) == sorted(LESIONS * 2)
    places = [lesion.place for lesion in lesions]
    assert min(np.diff(places)) > module.FAR + module.CLEAR
    assert 0 < places[0] < places[-1] < 6 * 20.0
    assert pytest.approx(BLOCK / FRAMES_PER_BLOCK) == STEP
    with pytest.raises(UserError, match="do not fit"):
        plan_lesions(7, 6, 30.0)


def test_what_cannot_be_told_is_passed_over():
    shares = [0.0, 0.01, 0.05, 0.0, 0.01, 0.2, 0.3, 0.2, 0.1, 0.01, 0.0, 0.0]
    near = [(np.full(1, i), len(shares) - i, share) for i, share in enumerate(shares)]

    def passed(hurried):
        return [(int(place.picture[0]), place.lesion) for place in _passed(near, 4, hurried=hurried)]

    told = [i for i, share in enumerate(shares) if share > TOLD]
    assert passed(False) == [(0, 0), *((i, 4) for i in told), (10, 0), (11, 0)]
    fast = passed(True)
    assert [i for i, lesion in fast if lesion == 4] == [5, 6, 7]
    assert [i for i, lesion in fast if not lesion] == [0, 10, 11]
    unseen = [(np.full(1, i), 9, 0.01 * (i == 1)) for i in range(3)]
    assert [place.lesion for place in _passed(unseen, 4, hurried=False)] == [0, 0]
    assert isinstance(next(iter(_passed(near, 4, hurried=True))), Place)


def test_a_journey_refuses_what_it_cannot_show():
    for bad in ({"lesions": -1}, {"rest": 0.5}, {"size": 8}, {"device": "none"}, {"lesions": 90}):
        with pytest.raises(UserError):
            journey(**SMALL | bad)
