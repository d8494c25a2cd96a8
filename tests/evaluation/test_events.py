import numpy as np
import pandas as pd
import pytest

from capsight.evaluation.events import COLUMNS, Moments, find_events, number_frames, runs

N = 300


def make_video(lesions, n=N, width=8, seed=0):
    """Frames of one look with lesions (first, last, probability, direction) of looks of their own."""
    rng = np.random.default_rng(seed)
    drift = np.cumsum(rng.normal(0, 0.02, (n, width)), axis=0)
    embeddings = 1 + 0.02 * rng.random((n, width)) + np.abs(drift)
    probability = np.full(n, 0.05)
    for first, last, value, direction in lesions:
        probability[first : last + 1] = value
        embeddings[first : last + 1, direction] += 6
    frames = pd.DataFrame({"frame": np.arange(n), "seconds": np.arange(n) / 2, "visible": 0.8, "knn_distance": 0.1})
    frames["probability_polyp"] = frames["smoothed_polyp"] = probability
    return frames, embeddings.astype(np.float32)


def find(frames, embeddings, **how):
    return find_events(frames, embeddings, ["polyp"], {"polyp": 0.5}, **how)


def test_each_lesion_is_one_event_the_most_suspicious_first():
    frames, embeddings = make_video([(20, 40, 0.7, 0), (100, 102, 0.95, 1), (200, 260, 0.8, 2)])
    frames.loc[101, "probability_polyp"] = 0.99
    events = find(frames, embeddings)
    assert list(events) == COLUMNS
    assert events[["first", "last"]].to_numpy().tolist() == [[100, 102], [200, 260], [20, 40]]
    assert events["event"].tolist() == [1, 2, 3]
    first = events.iloc[0]
    assert (first["best"], first["peak"], first["suspicion"]) == (101, 0.99, 0.95)
    assert (first["first_seconds"], first["last_seconds"], first["best_seconds"]) == (50, 51, 50.5)
    assert first["n_frames"] == 3
    assert first["visible"] == pytest.approx(0.8)


def test_a_short_gap_is_bridged_where_both_sides_look_alike():
    alike, _ = make_video([(20, 40, 0.9, 0)]), None
    frames, embeddings = alike
    frames.loc[28:31, "smoothed_polyp"] = 0.1
    assert find(frames, embeddings, bridge=5)[["first", "last"]].to_numpy().tolist() == [[20, 40]]
    assert len(find(frames, embeddings, bridge=3)) == 2
    frames, embeddings = make_video([(20, 27, 0.9, 0), (32, 40, 0.9, 5)])
    assert sorted(find(frames, embeddings, bridge=5)["first"]) == [20, 32]
    assert find(frames, embeddings, bridge=5, another=1)["first"].tolist() == [20]


def test_a_run_is_cut_where_another_thing_begins():
    frames, embeddings = make_video([(20, 39, 0.9, 0), (40, 70, 0.8, 5)])
    assert find(frames, embeddings)[["first", "last"]].to_numpy().tolist() == [[20, 39], [40, 70]]
    assert find(frames, embeddings, another=1)[["first", "last"]].to_numpy().tolist() == [[20, 70]]


def test_unreadable_frames_are_a_gap_and_break_nothing():
    frames, embeddings = make_video([(20, 40, 0.9, 0)])
    frames.loc[30, ["probability_polyp", "smoothed_polyp", "visible", "knn_distance"]] = np.nan
    embeddings[30] = np.nan
    (event,) = find(frames, embeddings).itertuples()
    assert (event.first, event.last, event.peak) == (20, 40, 0.9)
    frames.loc[:, "smoothed_polyp"] = np.nan
    assert find(frames, np.full_like(embeddings, np.nan)).empty


def test_what_is_uncertain_or_unlike_is_told():
    frames, embeddings = make_video([(20, 40, 0.55, 0), (80, 90, 0.97, 1)])
    frames["standard_deviation_polyp"], frames["predictive_entropy_polyp"] = 0.03, 0.4
    frames.loc[80:90, "knn_distance"] = 0.5
    events = find(frames, embeddings, unlike=0.3)
    assert events["uncertain"].tolist() == [False, True]
    assert events["unlike"].tolist() == [True, False]
    assert events["uncertainty"].tolist() == [0.4, 0.4]
    plain = find(frames.drop(columns=["standard_deviation_polyp", "predictive_entropy_polyp"]), embeddings)
    assert plain["uncertain"].tolist() == [False, True]
    p = 0.97
    assert plain["uncertainty"][0] == pytest.approx(-p * np.log(p) - (1 - p) * np.log(1 - p), rel=1e-5)


@pytest.mark.parametrize("missing", [[118, 119], [119, 120], [119], [120], [118, 119, 120], [120, 121]])
def test_a_look_that_changes_where_frames_are_missing_is_one_cut(missing):
    frames, _ = make_video([(100, 139, 0.9, 0)])
    embeddings = np.zeros((N, 4), np.float32)
    embeddings[:, 0], embeddings[120:140] = 1, [0, 1, 0, 0]  # all frames of a look are the same
    embeddings[missing] = frames.loc[missing, "probability_polyp"] = np.nan
    events = find(frames, embeddings, another=0.4)
    assert sorted(events["n_frames"])[0] >= 4 and events["n_frames"].sum() == 40 and len(events) == 2
    assert not set(events["best"]) & set(missing)


def test_every_frame_has_the_most_suspicious_of_its_events():
    frames, embeddings = make_video([(20, 40, 0.7, 0), (30, 35, 0.9, 1)])
    frames["smoothed_other"] = frames["probability_other"] = np.where(frames["frame"].between(34, 50), 0.95, 0.1)
    events = find_events(frames, embeddings, ["polyp", "other"], {"polyp": 0.5, "other": 0.5}, another=1)
    numbers = number_frames(N, events)
    for number in range(N):
        inside = [event.event for event in events.itertuples() if event.first <= number <= event.last]
        assert numbers[number] == min(inside, default=0)


def test_runs_are_stretches_of_true():
    above = np.array([1, 1, 0, 0, 1, 0, 1, 1, 1], bool)
    assert runs(above) == [(0, 1), (4, 4), (6, 8)]
    assert runs(np.zeros(3, bool)) == []


def test_embeddings_are_read_in_pieces_and_give_the_same_changes():
    frames, embeddings = make_video([(20, 2600, 0.9, 0)], n=2700)
    asked = []

    class Disk:
        def __len__(self):
            return len(embeddings)

        def __getitem__(self, rows):
            asked.append(len(np.arange(len(embeddings))[rows]))
            return embeddings[rows]

    changes = Moments(Disk()).changes(20, 2600)
    assert max(asked) < 3200  # rows: a block of moments, each of three frames

    def look(start):
        mean = embeddings[np.clip(np.arange(start, start + 3), 0, None)].mean(axis=0)
        return mean / np.linalg.norm(mean)

    slow = [1 - look(frame - 3) @ look(frame) for frame in range(20, 2601)]
    np.testing.assert_allclose(changes, slow, atol=1e-5)
