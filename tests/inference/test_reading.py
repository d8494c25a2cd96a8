import numpy as np
import pandas as pd
import pytest
import torch

from capsight.data.dataset import FrameDataset
from capsight.data.phantom import video as phantom
from capsight.data.transforms import evaluation_transform
from capsight.data.video import Shot, Video
from capsight.evaluation.trust import fit_trust
from capsight.evaluation.trust.likeness import fit_likeness
from capsight.inference.engines import TorchEngine
from capsight.inference.reading import Reader, batches, prepare, read_video
from capsight.learning.frame_learner import FrameLearner

FINDINGS = ["polyp", "bleeding"]
N = 50
BROKEN = (7, 33)


class Made(Video):
    """A video that is made as it is read; some of its frames are unreadable."""

    def __init__(self, n=N, size=40, broken=BROKEN):
        self.n_frames, self.size, self.broken, self.held = n, size, set(broken), 0

    def frames(self, start=0):
        rng = np.random.default_rng(0)
        still = rng.integers(0, 255, (16, self.size, self.size, 3), np.uint8)
        for number in range(start, self.n_frames):
            image = None if number in self.broken else still[number % 16]
            yield Shot(number, number / 2, image, "" if image is not None else "broken")


@pytest.fixture(scope="module")
def reader():
    torch.manual_seed(0)
    learner = FrameLearner(findings=FINDINGS, image_size=32, backbone="resnet18", dropout=0.3).eval()
    rng = np.random.default_rng(0)
    validation = pd.DataFrame({"patient": [f"p{i % 5}" for i in range(60)]})
    for finding in FINDINGS:
        validation[f"logit_{finding}"] = rng.normal(0, 2, 60)
        validation[f"probability_{finding}"] = 1 / (1 + np.exp(-validation[f"logit_{finding}"]))
        validation[f"label_{finding}"] = (validation[f"logit_{finding}"] + rng.normal(0, 2, 60) > 0).astype("Int8")
    return Reader(
        learner=learner,
        engine=TorchEngine(learner, "fp32"),
        image_size=32,
        training=fit_likeness(rng.random((40, 512))),
        unlike=1.0,
        trust=fit_trust(validation, FINDINGS),
        calibration="platt",
        passes=5,
    )


def read(reader, video, start=0, size=16):
    pieces = list(read_video(video, reader, start=start, batch_size=size, workers=2))
    return pd.concat([piece.frames for piece in pieces]), np.concatenate([piece.embeddings for piece in pieces])


def test_a_frame_is_prepared_as_a_data_set_does(tmp_path):
    import cv2

    (frame, _), *_ = phantom(patient_seed=1, device="phantom_2", n_frames=1, size=64)
    cv2.imwrite(str(tmp_path / "a.png"), frame[..., ::-1])
    table = pd.DataFrame({"path": ["a.png"], "polyp": [1]})
    expected = FrameDataset(table, tmp_path, ["polyp"], evaluation_transform(32))[0]["image"]
    prepared = prepare(Shot(0, 0.0, frame), evaluation_transform(32))
    assert np.array_equal(prepared.image, expected.numpy())
    assert prepared.shot.image is None  # what was decoded is not held on to
    assert prepared.mucosa.visible > 0.5


def test_every_frame_is_a_row_and_unreadable_ones_are_empty(reader):
    frames, embeddings = read(reader, Made())
    assert frames["frame"].tolist() == list(range(N))
    assert np.flatnonzero(~frames["readable"]).tolist() == list(BROKEN)
    judged = frames.drop(columns=["frame", "seconds", "readable", "problem"])
    assert judged[~frames["readable"].to_numpy()].isna().all(axis=None)
    assert judged[frames["readable"].to_numpy()].notna().all(axis=None)
    assert np.isnan(embeddings[list(BROKEN)]).all()
    assert frames["problem"].iloc[7] == "broken"


def test_numbers_are_those_of_the_network_and_calibrated(reader):
    frames, embeddings = read(reader, Made())
    transform = evaluation_transform(32)
    images = [prepare(shot, transform).image for shot in Made(broken=()).frames()]
    with torch.no_grad():
        logits = reader.learner(torch.from_numpy(np.stack(images))).numpy()
    known = frames["readable"].to_numpy()
    for column, finding in enumerate(FINDINGS):
        np.testing.assert_allclose(frames[f"logit_{finding}"][known], logits[known, column], atol=1e-4)
        platt = reader.trust["calibration"][finding]["platt"]
        calibrated = 1 / (1 + np.exp(-platt["slope"] * logits[known, column] - platt["intercept"]))
        np.testing.assert_allclose(frames[f"probability_{finding}"][known], calibrated, atol=1e-4)
        threshold = reader.trust["thresholds"][finding]
        same = 1 / (1 + np.exp(-platt["slope"] * np.log(threshold / (1 - threshold)) - platt["intercept"]))
        assert reader.thresholds[finding] == pytest.approx(same)
    assert (frames[["standard_deviation_polyp", "mutual_information_bleeding"]][known] > 0).all(axis=None)


def test_a_reading_that_goes_on_gives_the_same_numbers(reader):
    frames, embeddings = read(reader, Made())
    later, rest = read(reader, Made(), start=32)
    pd.testing.assert_frame_equal(later.reset_index(drop=True), frames.iloc[32:].reset_index(drop=True))
    assert np.array_equal(rest, embeddings[32:], equal_nan=True)


def test_a_video_of_unreadable_frames_only_is_read(reader):
    frames, _ = read(reader, Made(n=20, broken=range(20)))
    assert len(frames) == 20
    assert not frames["readable"].any()
    assert frames["probability_polyp"].isna().all()


def test_batches_hold_consecutive_numbers():
    shots = [prepare(Shot(number, 0.0, None), None) for number in range(10, 40)]
    groups = [[one.shot.frame for one in group] for group in batches(shots, 16)]
    assert groups == [list(range(10, 16)), list(range(16, 32)), list(range(32, 40))]


def test_few_frames_are_held_at_a_time(reader):
    """A frame is decoded only a bounded number of frames before the last one that was read."""
    made = []

    class Watched(Made):
        def frames(self, start=0):
            for shot in super().frames(start):
                made.append(shot.frame)
                yield shot

    for count, piece in enumerate(read_video(Watched(n=1000), reader, start=0, batch_size=16, workers=2)):
        assert made[-1] - piece.frames["frame"].iloc[-1] < 16 * 8
        if count == 20:
            break


def test_without_dropout_there_are_no_passes(reader):
    from dataclasses import replace

    frames, _ = read(replace(reader, passes=0), Made(n=20))
    assert not [name for name in frames if name.startswith(("predictive", "standard"))]
