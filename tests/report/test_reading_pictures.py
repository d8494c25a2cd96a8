import json

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from capsight.data.video import Shot, Video
from capsight.learning.frame_learner import FrameLearner
from capsight.report.reading_pictures import write_coco, write_pictures

FINDINGS = ["polyp", "bleeding"]


class Made(Video):
    """Twelve frames of two sizes, one of them unreadable."""

    def __init__(self):
        self.name, self.n_frames = "made", 12

    def frames(self, start=0):
        rng = np.random.default_rng(0)
        for number in range(self.n_frames):
            image = rng.integers(60, 255, (64, 64 if number < 6 else 1600, 3), np.uint8)
            if number >= start:
                yield Shot(number, 0.0, None if number == 4 else image)


@pytest.fixture
def learner():
    torch.manual_seed(0)
    learner = FrameLearner(findings=FINDINGS, backbone="resnet10t").eval()
    with torch.no_grad():
        learner.network.head.classifier.weight[0].abs_()  # features are positive: evidence for polyps everywhere
        learner.network.head.classifier.weight[1] = -1.0  # and for bleeding nowhere
    return learner


def events():
    rows = [(1, "polyp", 5, 3, 6, 0.9), (2, "bleeding", 5, 5, 5, 0.8), (3, "polyp", 11, 9, 11, 0.7)]
    return pd.DataFrame(rows, columns=["event", "finding", "best", "first", "last", "suspicion"])


def test_best_frames_and_neighbours_are_kept_with_their_heatmaps(learner, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "frame_000000.jpg").write_bytes(b"of an earlier reading")
    pictured = write_pictures(tmp_path, Made(), events(), learner, 64, neighbours=1)
    names = sorted(file.name for file in (tmp_path / "pictures").iterdir())
    assert names == [
        "frame_000005.jpg",  # 4 is unreadable, and 12 beyond the end
        "frame_000006.jpg",
        "frame_000010.jpg",
        "frame_000011.jpg",
        "heat_000005_polyp.png",
        "heat_000011_polyp.png",
    ]
    assert pictured.sizes == {5: (64, 64), 6: (26, 640), 10: (26, 640), 11: (26, 640)}  # wide ones are scaled down
    assert cv2.imread(str(tmp_path / "pictures" / "frame_000011.jpg")).shape == (26, 640, 3)
    assert cv2.imread(str(tmp_path / "pictures" / "heat_000005_polyp.png"), -1).shape == (64, 64, 4)
    assert set(pictured.boxes) == {(5, "polyp"), (11, "polyp")}
    assert pictured.without == ""


def test_an_annotation_without_a_heatmap_is_the_whole_picture(learner, tmp_path):
    pictured = write_pictures(tmp_path, Made(), events(), learner, 64, neighbours=0)
    write_coco(tmp_path, Made(), events(), pictured, FINDINGS)
    told = json.loads((tmp_path / "events_coco.json").read_text())
    assert [image["id"] for image in told["images"]] == [5, 11]
    boxes = {one["id"]: (one["bbox_from"], one["bbox"], one["category_id"]) for one in told["annotations"]}
    assert boxes[2] == ("frame", [0, 0, 64, 64], 2)
    assert boxes[1][0] == "heatmap"
    assert told["annotations"][0]["first_frame"] == 3


def test_without_events_there_is_nothing_to_picture(learner, tmp_path):
    pictured = write_pictures(tmp_path, Made(), events().head(0), learner, 64, neighbours=2)
    assert not pictured.sizes
    write_coco(tmp_path, Made(), events().head(0), pictured, FINDINGS)
    assert json.loads((tmp_path / "events_coco.json").read_text())["annotations"] == []
