import numpy as np
import pytest

from capsight.errors import UserError
from capsight.evaluation.smoothing import METHODS, smooth


def with_lesion(frames, height=0.9, n=60, at=30):
    probability = np.full(n, 0.02)
    probability[at : at + frames] = height
    return probability


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("width", [0.5, 1, 3, 10])
def test_what_holds_for_three_frames_keeps_its_level(method, width):
    smoothed = smooth(with_lesion(3), method, width)
    assert smoothed[30:33].min() >= 0.9
    assert smoothed[:25].max() < 0.1 or method == "gaussian"


@pytest.mark.parametrize("method", ["median", "gaussian"])
def test_a_flicker_of_one_frame_is_taken_down(method):
    assert smooth(with_lesion(1), method, 1)[30] < 0.5
    assert smooth(with_lesion(1), "none")[30] == 0.9


@pytest.mark.parametrize("method", METHODS)
def test_unreadable_frames_stay_so_and_hide_nothing(method):
    probability = with_lesion(5)
    probability[[3, 32]] = np.nan
    smoothed = smooth(probability, method, 1)
    assert np.flatnonzero(np.isnan(smoothed)).tolist() == [3, 32]
    assert smoothed[[31, 33]].min() >= 0.9
    assert np.isnan(smooth(np.full(4, np.nan), method)).all()
    assert len(smooth(np.array([]), method)) == 0


def test_median_and_gaussian_are_what_they_are_called():
    probability = np.random.default_rng(0).random(40)
    lasting = [
        max(probability[max(0, i - 2 + shift) : i + 1 + shift].min() for shift in range(3) if i - 2 + shift >= 0)
        for i in range(2, 36)
    ]
    median = [np.median(probability[i - 2 : i + 3]) for i in range(2, 36)]
    np.testing.assert_allclose(smooth(probability, "median", 2)[2:36], np.maximum(median, lasting))
    weights = np.exp(-0.5 * (np.arange(-4, 5) / 1.0) ** 2)
    gaussian = [probability[i - 4 : i + 5] @ weights / weights.sum() for i in range(4, 34)]
    np.testing.assert_allclose(smooth(probability, "gaussian", 1)[4:34], np.maximum(gaussian, lasting[2:-2]))


@pytest.mark.parametrize(("method", "width"), [("lowess", 1), ("median", 0), ("median", "wide"), ("gaussian", True)])
def test_what_is_not_possible_is_one_line(method, width):
    with pytest.raises(UserError, match="is not"):
        smooth(np.zeros(3), method, width)
