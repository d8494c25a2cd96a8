import numpy as np
import pandas as pd
import pytest
import torch

from capsight.errors import UserError
from capsight.lecture.time_batches import TimeBatches, time_blocks, time_loader

RNG = np.random.default_rng(0)
VIDEOS = np.repeat(["a", "b", "c"], 40)
FRAMES = np.concatenate([np.sort(RNG.choice(200, 40, replace=False)) for _ in range(3)])


@pytest.mark.parametrize(("reach", "gap"), [(1, 1), (2, 5), (4, 10)])
def test_blocks_are_near_inside_and_far_apart(reach, gap):
    seen = np.zeros(60, int)
    for offset in range(reach + 1 + gap):
        block = time_blocks(np.arange(60), reach=reach, gap=gap, offset=offset)
        seen += block >= 0
        for a in range(60):
            for b in range(60):
                if block[a] >= 0 and block[b] >= 0:
                    assert (block[a] == block[b]) == (abs(a - b) <= reach)
                    assert (block[a] != block[b]) == (abs(a - b) > gap)
    assert (seen == reach + 1).all()  # over all offsets, no frame is preferred


@pytest.mark.parametrize(("reach", "gap"), [(2, 5), (4, 10)])
def test_classes_of_a_batch_against_all_pairs(reach, gap):
    settings = {"reach": reach, "gap": gap, "videos_per_batch": 2, "blocks": 3, "frames_per_block": 3}
    positives = negatives_within = 0
    for batch in TimeBatches(VIDEOS, FRAMES, **settings):
        rows = [row for row, _ in batch]
        assert len(set(rows)) == len(rows)
        assert len(set(VIDEOS[rows])) <= 2
        for first, one in batch:
            for second, other in batch:
                same_video, apart = VIDEOS[first] == VIDEOS[second], abs(FRAMES[first] - FRAMES[second])
                assert (one == other) == (same_video and apart <= reach)
                assert (one != other) == (not same_video or apart > gap)
                positives += one == other and first != second
                negatives_within += one != other and same_video
    assert positives and negatives_within


def test_batches_depend_on_the_seed_and_the_epoch():
    def drawn(seed, epoch):
        batches = TimeBatches(VIDEOS, FRAMES, reach=2, gap=5, videos_per_batch=2, blocks=2, seed=seed)
        batches.set_epoch(epoch)
        return list(batches)

    assert drawn(0, 1) == drawn(0, 1)
    assert drawn(0, 0) != drawn(0, 1) != drawn(1, 1)


def test_frames_without_a_place_take_no_part():
    frames = pd.Series([0, 1, None, 3, 0, 1], dtype="Int64")
    videos = pd.Series(["a", "a", "a", "a", None, None], dtype="string")
    batches = TimeBatches(videos, frames, reach=1, gap=1)
    rows = {row for epoch in range(20) for batch in _epoch(batches, epoch) for row, _ in batch}
    assert rows == {0, 1}


def _epoch(batches, epoch):
    batches.set_epoch(epoch)
    return batches


@pytest.mark.parametrize(
    ("videos", "frames", "reach", "text"),
    [
        ([None, None], [0, 1], 2, "no two unlabelled frames"),
        (["a", "a"], [None, 1], 2, "no two unlabelled frames"),
        (["a", "b"], [0, 1], 2, "no two unlabelled frames"),
        (["a", "a"], [0, 9], 2, "no two unlabelled frames"),
        (["a", "a"], [0, 1], 0, "reach=0"),
        (["a", "a"], [0, 1], 7, "1 <= reach <= gap"),
    ],
)
def test_what_has_no_neighbours_is_named(videos, frames, reach, text):
    with pytest.raises(UserError, match=text):
        TimeBatches(videos, frames, reach=reach, gap=5)


def test_patients_stand_in_for_videos_that_are_not_there():
    table = pd.DataFrame({"video": pd.array(["v", "v", None, None], "string"), "patient": list("ppqq")})
    table["frame"] = pd.array([0, 1, 0, 1], "Int64")
    images = torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)
    loader = time_loader(images, table, reach=1, gap=1, steady=True)
    shown = {tuple(sorted(batch[0][batch[1] == c, 0, 0, 0].tolist())) for batch in loader for c in batch[1].unique()}
    assert shown <= {(0, 1), (2, 3)}
