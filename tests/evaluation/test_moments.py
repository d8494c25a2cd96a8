import numpy as np
import pandas as pd
import pytest

from capsight.evaluation.events import COLUMNS, find_events
from capsight.evaluation.moments import AWAY, find_moments, peaks

FINDINGS, THRESHOLDS = ["polyp", "bleeding"], {"polyp": 0.5, "bleeding": 0.5}


def slow(probabilities, shown):
    """Look, for each finding in turn, through all frames for the best that is far enough from all that came before."""
    came, found, done = list(shown), [], set()
    while len(done) < probabilities.shape[1]:
        for finding in range(probabilities.shape[1]):
            far = [at for at in range(len(probabilities)) if all(abs(at - other) > AWAY for other in came)]
            far = [at for at in far if np.isfinite(probabilities[at]).all()]
            if not far:
                done.add(finding)
                continue
            best = max(far, key=lambda at: (probabilities[at, finding], -at))
            came.append(best)
            found.append((best, finding))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_peaks_are_those_of_a_slow_twin(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, 8, (60, 3)) / 8
    probabilities[rng.random((60, 3)) < 0.05] = np.nan
    shown = rng.integers(0, 60, 3).tolist()
    assert list(peaks(probabilities, shown)) == slow(probabilities, shown)


@pytest.fixture
def frames():
    n = 80
    polyp, bleeding = np.full(n, 0.05), np.full(n, 0.04)
    polyp[10:40] = 0.9  # one long event, with a second peak in it
    polyp[[12, 30]] = 0.95, 0.94
    bleeding[60] = 0.4  # below the threshold
    table = {"seconds": np.arange(n) / 2, "visible": 1.0, "knn_distance": 0.1}
    table |= {f"probability_{f}": values for f, values in (("polyp", polyp), ("bleeding", bleeding))}
    table |= {f"smoothed_{f}": table[f"probability_{f}"] for f in FINDINGS}
    return pd.DataFrame(table)


def test_what_a_long_event_hides_and_what_stays_below_the_threshold(frames):
    events = find_events(frames, np.ones((len(frames), 4), np.float32), FINDINGS, THRESHOLDS)
    assert events["best"].tolist() == [12]
    moments = find_moments(frames, events, FINDINGS, THRESHOLDS, 100, unlike=0.05)
    assert list(moments) == COLUMNS
    # hidden in the same event; below the threshold
    assert list(zip(moments["best"], moments["finding"], strict=True))[:2] == [(30, "polyp"), (60, "bleeding")]
    assert moments["finding"].tolist() == [FINDINGS[i % 2] for i in range(len(moments))]
    assert moments["event"].tolist() == list(range(2, len(moments) + 2))
    assert (moments["first"] == moments["best"]).all() and (moments["n_frames"] == 1).all() and moments["unlike"].all()
    assert find_moments(frames, events, FINDINGS, THRESHOLDS, 2)["best"].tolist() == moments["best"].tolist()[:2]
    assert list(find_moments(frames, events, FINDINGS, THRESHOLDS, 0)) == COLUMNS


def test_unreadable_frames_are_no_moments(frames):
    frames.loc[20:, "probability_polyp"] = frames.loc[20:, "probability_bleeding"] = np.nan
    none = pd.DataFrame({"best": np.array([], int)})
    assert find_moments(frames, none, FINDINGS, THRESHOLDS, 100)["best"].max() < 20
