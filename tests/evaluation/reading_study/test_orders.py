import numpy as np
import pandas as pd
import pytest

from capsight.evaluation.reading_study.orders import by_events, by_frame, by_probability, flagged, spread

FRAMES = pd.DataFrame({"probability_a": [0.1, 0.9, 0.3, 0.3, 0.2], "probability_b": [0.4, 0.2, 0.3, 0.1, 0.95]})
BOTH = ["a", "b"]


def test_the_most_suspicious_frame_of_any_finding_comes_first_and_the_earlier_of_equals():
    assert by_probability(FRAMES, BOTH).tolist() == [4, 1, 0, 2, 3]
    assert by_probability(FRAMES, ["a"]).tolist() == [1, 2, 3, 4, 0]


def test_events_come_in_their_own_order_then_peaks_and_then_frames_from_everywhere():
    events = pd.DataFrame({"best": [3, 1, 3]})
    assert by_events(FRAMES, BOTH, events).tolist() == [3, 1, 0, 4, 2]  # all are near those
    # the best of a is frame 1; of b 4, which is near it; nothing is left for either
    assert by_events(FRAMES, BOTH, events.iloc[:0]).tolist() == [1, 0, 4, 2, 3]


@pytest.mark.parametrize("n", [1, 2, 5, 64, 100, 1000])
def test_spread_frames_halve_the_gaps(n):
    order = spread(n)
    assert sorted(order) == list(range(n))
    slow = [int(f"{i:0{(n - 1).bit_length()}b}"[::-1], 2) for i in range(1 << (n - 1).bit_length())] if n > 1 else [0]
    assert order.tolist() == [place for place in slow if place < n]
    for shown in (1, 3, 7, 40):
        gaps = np.diff(np.concatenate([[-1], np.sort(order[:shown]), [n]]))
        assert gaps.max() <= 4 * -(-n // min(shown, n))


def test_frame_by_frame_shows_what_is_above_a_threshold_in_the_order_of_time():
    thresholds = {"a": 0.25, "b": 0.5}
    assert flagged(FRAMES, BOTH, thresholds).tolist() == [False, True, True, True, True]
    assert by_frame(FRAMES, BOTH, thresholds).tolist() == [1, 2, 3, 4, 0]
    assert by_frame(FRAMES, BOTH, {"a": 0.8, "b": 0.8}).tolist() == [1, 4, 0, 2, 3]


@pytest.mark.parametrize("seed", range(3))
def test_every_order_holds_every_frame_once(seed):
    rng = np.random.default_rng(seed)
    frames = pd.DataFrame(rng.random((50, 2)), columns=["probability_a", "probability_b"])
    events = pd.DataFrame({"best": rng.integers(0, 50, 8)})
    for order in (
        by_probability(frames, BOTH),
        by_events(frames, BOTH, events),
        by_frame(frames, BOTH, {"a": 0.5, "b": 0.5}),
    ):
        assert sorted(order) == list(range(50))
