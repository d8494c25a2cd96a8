import cv2
import numpy as np
import pytest

from capsight.data.video import open_video
from capsight.errors import UserError


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(("f_2.png", "f_10.png", "F_11.JPG", "f_100.png")):
        cv2.imwrite(str(tmp_path / name), np.full((20 + number, 30, 3), 10 * number, np.uint8))
    (tmp_path / "notes.txt").write_text("no frame")
    return tmp_path


def test_images_come_in_natural_order_and_any_size(folder):
    opened = open_video(folder)
    shots = list(opened.frames())
    assert [shot.image.shape[0] for shot in shots] == [20, 21, 22, 23]
    assert [shot.frame for shot in shots] == [0, 1, 2, 3]
    assert opened.frames_per_second is None
    assert np.isnan(shots[1].seconds)
    assert [shot.image.shape[0] for shot in opened.fetch([3, 1])] == [21, 23]


def test_seconds_follow_from_the_rate(folder):
    assert [shot.seconds for shot in open_video(folder, 2.0).frames(1)] == [0.5, 1.0, 1.5]


def test_an_image_that_cannot_be_read_is_told_without_the_path(folder):
    (folder / "f_10.png").write_bytes(b"broken")
    shots = list(open_video(folder).frames())
    assert [shot.image is None for shot in shots] == [False, True, False, False]
    assert "f_10.png" in shots[1].problem
    assert str(folder) not in shots[1].problem


def test_a_folder_without_images_is_one_line(tmp_path):
    with pytest.raises(UserError, match="holds no image"):
        open_video(tmp_path)


def test_a_fingerprint_changes_with_a_file(folder):
    before = open_video(folder).fingerprint()
    assert before == open_video(folder).fingerprint()
    (folder / "f_3.png").write_bytes(b"more")
    assert open_video(folder).fingerprint()["digest"] != before["digest"]
