import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from capsight.errors import UserError
from capsight.lecture.drawn_frames import drawn_frames, read_images, truth, turn, turned

FRAMES = torch.arange(2 * 3 * 4 * 4).reshape(2, 3, 4, 4)


def test_patients_are_never_split(drawn):
    table = drawn_frames(**drawn)
    assert len(table) == 10 * 12
    assert set(table["split"]) == {"train", "val", "test"}
    assert table.groupby("patient")["split"].nunique().max() == 1
    third = drawn_frames(**drawn, folds=3)
    assert (third["split"] == "train").sum() < (table["split"] == "train").sum()
    assert third["path"].equals(table["path"])


@pytest.mark.parametrize("phantom", [{"patients": 3}, 3, ["size"]])
def test_what_is_no_setting_of_the_phantom_is_refused(tmp_path, phantom):
    with pytest.raises(UserError, match="patients_per_device"):
        drawn_frames(tmp_path / "new", phantom)
    assert not (tmp_path / "new").exists()


def test_a_phantom_of_other_settings_is_refused(drawn):
    with pytest.raises(UserError, match="other settings"):
        drawn_frames(drawn["root"], drawn["phantom"] | {"size": 48})


def test_frames_are_read_in_the_order_of_the_table(drawn):
    table = drawn_frames(**drawn).iloc[[-1, 0]]
    images = read_images(table, drawn["root"], 32)
    assert images.shape == (2, 3, 32, 32) and images.dtype == torch.uint8
    frames = [cv2.imread(f"{drawn['root']}/{path}")[..., ::-1].astype(int) for path in table["path"]]
    away = [[np.abs(image.permute(1, 2, 0).numpy() - frame).mean() for frame in frames] for image in images]
    assert away[0][0] < away[0][1] / 3 and away[1][1] < away[1][0] / 3
    assert read_images(table, drawn["root"], 16).shape == (2, 3, 16, 16)


def test_a_square_can_be_turned_in_eight_ways():
    ways = [turn(FRAMES, way) for way in range(8)]
    assert torch.equal(ways[0], FRAMES)
    assert len({way.numpy().tobytes() for way in ways}) == 8
    assert all(torch.equal(way.sort(-1)[0].sum(), FRAMES.sum()) for way in ways)
    random = torch.Generator().manual_seed(0)
    seen = {turned(FRAMES, random).numpy().tobytes() for _ in range(100)}
    assert seen == {way.numpy().tobytes() for way in ways}


def test_unknown_is_not_negative():
    table = pd.DataFrame({"polyp": pd.array([1, None, 0], "Int8"), "bleeding": pd.array([0, 1, 1], "Int8")})
    labels = truth(table, ["bleeding", "polyp"])
    assert labels.dtype == torch.float32
    assert labels.nan_to_num(7).tolist() == [[0, 1], [1, 7], [1, 0]]
