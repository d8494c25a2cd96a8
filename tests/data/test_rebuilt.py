import cv2
import numpy as np
import pandas as pd
import pytest

from capsight.data.known_videos import read_known
from capsight.data.rebuilt import rebuild_videos
from capsight.errors import UserError


@pytest.fixture
def table(tmp_path):
    """Two videos, their frames out of order, of one of them every label of inflammation is unknown."""
    rows = [("a", 30, 1, 0), ("a", 2, 1, 0), ("a", 10, 0, 0), ("a", 1, 1, 0), ("a", 200, 1, 1), ("a", 31, 1, 0)]
    rows += [("b", 5, 0, None), ("b", 6, 1, None)]
    names = ["video", "frame", "polyp", "inflammation"]
    table = pd.DataFrame(rows, columns=names).astype(dict.fromkeys(names[2:], "Int8"))
    table["path"], table["patient"] = [f"{v}_{f}.jpg" for v, f, *_ in rows], table["video"]
    for number, path in enumerate(table["path"]):
        cv2.imwrite(str(tmp_path / path), np.full((8, 8, 3), number, np.uint8))
    return table


def test_frames_come_in_the_order_of_their_numbers_and_lesions_are_runs_of_them(table, tmp_path):
    rebuild_videos(table, tmp_path, tmp_path / "out", ["polyp", "inflammation"], gap=50)
    videos, lesions = read_known(tmp_path / "out")
    assert list(videos["patient"]) == ["a", "b"]
    files = sorted((tmp_path / "out" / videos["video"][0]).iterdir())
    assert [file.resolve().name for file in files] == [f"a_{n}.jpg" for n in (1, 2, 10, 30, 31, 200)]
    of_a = lesions[lesions["video"] == videos["video"][0]]
    spans = of_a[["finding", "first", "last"]].to_numpy().tolist()
    assert spans == [["polyp", 0, 1], ["polyp", 3, 4], ["polyp", 5, 5], ["inflammation", 5, 5]]
    assert of_a["lesion"].tolist() == [1, 2, 3, 4]
    of_b = lesions[lesions["video"] == videos["video"][1]]
    assert of_b[["finding", "lesion", "first", "last"]].to_numpy().tolist() == [
        ["polyp", 1, 1, 1],
        ["inflammation", 0, 0, 1],  # nobody knows
    ]


def test_frames_without_a_number_are_left_out_and_none_is_an_error(table, tmp_path):
    table.loc[table["video"] == "b", "frame"] = None
    rebuild_videos(table, tmp_path, tmp_path / "out", ["polyp"], gap=50)
    assert list(read_known(tmp_path / "out")[0]["patient"]) == ["a"]
    with pytest.raises(UserError, match="no frame has a video"):
        rebuild_videos(table.assign(patient=None), tmp_path, tmp_path / "x", ["polyp"], gap=50)


def test_a_missing_frame_and_a_video_of_two_patients_are_named(table, tmp_path):
    (tmp_path / "a_2.jpg").unlink()
    with pytest.raises(UserError, match=r"a_2\.jpg"):
        rebuild_videos(table, tmp_path, tmp_path / "out", ["polyp"], gap=50)
    table.loc[0, "patient"] = "c"
    with pytest.raises(UserError, match="2 patients"):
        rebuild_videos(table, tmp_path, tmp_path / "out", ["polyp"], gap=50)
