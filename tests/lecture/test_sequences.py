import pandas as pd
import pytest
import torch
from omegaconf import OmegaConf

from capsight.data.phantom import FINDINGS
from capsight.errors import UserError
from capsight.learning.frame_learner import FrameLearner
from capsight.learning.run import start_run
from capsight.lecture.drawn_frames import drawn_frames
from capsight.lecture.sequences import sequences
from capsight.lecture.video_learner import FrameNetwork, KnownFindingsLearner, Videos, join_videos
from capsight.nn.sequence import VideoConv, VideoLSTM

SMALL = {"image_size": 32, "features": 16, "hidden": 8, "frame_epochs": 1}
JUDGES = {"frame_by_frame", "convolutions", "lstm"}


def check(numbers, out):
    alarms = numbers["false_positives_per_video"]
    assert set(alarms) - {"all findings"} == set(FINDINGS)
    measured = {finding: told for finding, told in alarms.items() if "reason" not in told}
    assert "all findings" in measured and all(set(told) == JUDGES for told in measured.values())
    assert set(numbers["fewer_than_frame_by_frame"]["all findings"]) == JUDGES - {"frame_by_frame"}
    assert {file.name for file in out.glob("*.png")} == {"false_positives.png", "video.png"}


def test_three_ways_to_judge_a_frame(tmp_path, trainer, drawn):
    numbers = sequences(tmp_path, seed=0, trainer=trainer, **SMALL, **drawn)
    check(numbers, tmp_path)
    assert sum(numbers["n_videos"].values()) == 10 and numbers["frames_per_video"] == 12


def run(folder, table, root):
    """A run whose network was never trained."""
    model = {"backbone": "resnet18"}
    data = {"name": "x", "findings": list(FINDINGS), "root": root, "image_size": 32}
    begun = start_run(folder, OmegaConf.create({"seed": 0, "data": data, "model": model}), table, resume=None)
    learner = FrameLearner(findings=list(FINDINGS), image_size=32, pretrained=False, **model)
    begun.best.parent.mkdir()
    torch.save({"state_dict": learner.state_dict()}, begun.best)
    return str(folder)


def test_the_embeddings_of_a_run(tmp_path, trainer, drawn):
    table = drawn_frames(**drawn, folds=3)
    folder = run(tmp_path / "run", table.sample(frac=1, random_state=0), drawn["root"])
    numbers = sequences(tmp_path / "out", seed=0, trainer=trainer, **SMALL, run=folder)
    check(numbers, tmp_path / "out")
    assert numbers["n_videos"] == {side: rows["video"].nunique() for side, rows in table.groupby("split")}


def test_a_run_without_videos_is_refused(tmp_path, trainer, drawn):
    table = drawn_frames(**drawn)
    table["video"] = table["video"].mask(table["split"] == "test")
    with pytest.raises(UserError, match="no video for test"):
        sequences(tmp_path / "out", seed=0, trainer=trainer, run=run(tmp_path / "run", table, drawn["root"]))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"sensitivity": 0.0}, "lesson.sensitivity=0"),
        ({"sensitivity": 1.1}, "lesson.sensitivity=1.1"),
        ({"features": 12}, "multiple of 8"),
        ({"folds": 2}, "3 folds or more"),
        ({"run": "nowhere"}, "nowhere is not a run"),
    ],
)
def test_bad_settings_are_named(tmp_path, trainer, drawn, settings, says):
    with pytest.raises(UserError, match=says):
        sequences(tmp_path / "new", seed=0, trainer=trainer, **SMALL | drawn | settings)
    assert not (tmp_path / "new").exists()


TABLE = pd.DataFrame(
    {
        "split": ["train", "test", "test", "train", "test", "test"],
        "video": ["b", "c", "a", "b", "a", "a"],
        "frame": [1, 0, 2, 0, 0, 1],
        "polyp": pd.array([1, 0, 1, None, 0, 0], "Int8"),
    }
)


def test_videos_are_in_the_order_of_their_frames():
    view = torch.arange(6.0)[:, None]
    videos = Videos([view, view + 100], TABLE, "test", ["polyp"])
    assert [embeddings.ravel().tolist() for embeddings, _ in videos] == [[4, 5, 2], [1], [104, 105, 102], [101]]
    assert [targets.ravel().tolist() for _, targets in videos][:2] == [[0, 0, 1], [0]]
    assert list(videos.table.index) == [4, 5, 2, 1]
    single = Videos([view], TABLE, "test", ["polyp"])
    assert single.logits(torch.nn.Identity()).ravel().tolist() == [4, 5, 2, 1]  # as the table has them


def test_what_is_filled_up_is_unknown():
    embeddings, targets = join_videos([(torch.ones(3, 2), torch.zeros(3, 1)), (torch.ones(1, 2), torch.zeros(1, 1))])
    assert embeddings.shape == (2, 3, 2) and not embeddings[1, 1:].any()
    assert targets[1].isnan().ravel().tolist() == [False, True, True]


def test_the_loss_is_over_known_labels():
    learner = KnownFindingsLearner(torch.nn.Identity(), optimiser={}, seed=0)
    logits = torch.tensor([[2.0, -1.0], [0.5, 9.0]])
    targets = torch.tensor([[1.0, 0.0], [1.0, float("nan")]])
    loss, known = learner._loss(logits, targets)
    expected = torch.tensor([2.0, 1.0, 0.5]).neg().exp().log1p().mean()
    assert known == 3 and torch.allclose(loss, expected)
    nothing, known = learner._loss(logits, torch.full((2, 2), float("nan")))
    assert nothing == 0 and known == 1


@pytest.mark.parametrize("network", [VideoConv, VideoLSTM])
def test_videos_of_one_frame_and_of_ten_thousand(network):
    judge = network(8, 2, hidden=4).eval()
    table = pd.DataFrame({"split": "test", "video": ["a"] + ["b"] * 10_000, "frame": range(10_001), "polyp": 1, "x": 0})
    videos = Videos([torch.zeros(10_001, 8)], table, "test", ["polyp", "x"])
    assert [len(embeddings) for embeddings, _ in videos] == [1, 10_000]
    assert videos.logits(judge).shape == (10_001, 2)


def test_a_frame_is_turned_in_training_alone():
    network = FrameNetwork(16, 3)
    images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    network.encoder.eval(), network.classifier.eval()  # normalisation and dropout stay as they are
    logits = [network.train(False)(images) for _ in range(8)]
    assert all(torch.equal(logits[0], other) for other in logits)
    network.training = True
    assert len({tuple(network(images).ravel().tolist()) for _ in range(20)}) > 1
