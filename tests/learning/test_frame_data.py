"""Which frames a training batch holds, with and without a target."""

import pandas as pd
import pytest
import torch

from capsight.adaptation.base import Adaptation, Combined
from capsight.learning.frame_data import FrameData


class Unlabelled(Adaptation):
    needs_target = True


class Labelled(Adaptation):
    needs_labels = True
    labelled_frames = (5, 3)


class Pooled(Adaptation):
    needs_labels = True


def frame_data(*methods, **options):
    """40 source and 20 target frames; of the target's, rows 40 to 43 show a label: two polyps, two without."""
    labels = [i % 2 for i in range(40)] + [1, 1, 0, 0] + [None] * 16
    table = pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(60)],
            "patient": [f"p{i // 4}" for i in range(60)],
            "device": ["a"] * 40 + ["b"] * 20,
            "polyp": pd.Series(labels, dtype="Int8"),
            "split": ["train"] * 40 + ["adapt"] * 20,
        }
    )
    validation = table.iloc[:4].assign(split="val", path=[f"v{i}.jpg" for i in range(4)])
    settings = {"classes_per_batch": 4, "frames_per_class": 6, "batches_per_epoch": 3, "target_frames": 4}
    loading = {"image_size": 8, "augmentation": 0.0, "workers": 0, "on_bad_frame": "error", "seed": 0}
    return FrameData(
        pd.concat([table, validation]),
        root="/",
        findings=["polyp"],
        adaptation=Combined(methods),
        **{**settings, **loading, **options},
    )


def rows(data):
    return [[row for row, _ in batch] for batch in data.batches()]


def test_without_a_method_no_target_frame_is_there():
    data = frame_data()
    assert len(data.targets()) == 40
    assert all(len(batch) == 12 for batch in rows(data))


def test_unlabelled_target_frames_follow_the_sources():
    data = frame_data(Unlabelled())
    for batch in rows(data):
        assert data.is_target[batch].tolist() == [False] * 12 + [True] * 4
    assert torch.isnan(data.targets()[44:]).all()


def test_labelled_target_frames_in_their_numbers():
    data = frame_data(Labelled())
    for batch in rows(data):
        assert data.is_target[batch].tolist() == [False] * 5 + [True] * 3
        assert set(batch[5:]) <= {40, 41, 42, 43}


def test_both_at_once():
    data = frame_data(Unlabelled(), Labelled())
    for batch in rows(data):
        assert data.is_target[batch].tolist() == [False] * 5 + [True] * 7


def test_pooled_labels_are_drawn_as_if_they_were_the_sources():
    data = frame_data(Pooled(), batches_per_epoch=8)
    drawn = [row for batch in rows(data) for row in batch]
    assert set(drawn) == set(range(44))


def test_two_ways_to_draw_labelled_frames_do_not_combine():
    with pytest.raises(ValueError, match="cannot be combined"):
        Combined([Labelled(), Pooled()])
