"""The whole lesson on few small frames, and that test patients stay out of it."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from capsight.data.manifest import read_manifest, write_manifest
from capsight.errors import UserError
from capsight.lecture import fine_tuning, run_lesson, unlabelled
from capsight.lecture.drawn_frames import drawn_frames, read_images
from capsight.lecture.fine_tuning import FineTuning, in_rounds
from capsight.lecture.unlabelled import DenoisingFrames
from capsight.nn.captioner import FrameEncoder

SMALL = {"image_size": 16, "features": 16, "labelled": [3], "draws": 2, "steps": 2, "rates": [1e-3, 1e-2]}
STARTS = ["random_weights", "denoising", "time_coherence"]


@pytest.fixture
def small(drawn):
    return {**drawn, **SMALL, "findings": ["content"]}


@pytest.fixture
def given(monkeypatch):
    """All that a training or a validation is given: the frames of every loader."""
    seen = {"pretraining": [], "fine-tuning": []}

    def spy(module, kind):
        fit = module.fit

        def fit_and_note(learner, training, validation, **settings):
            seen[kind] += [torch.cat([_as_bytes(batch[0]) for batch in loader]) for loader in (training, validation)]
            return fit(learner, training, validation, **settings)

        monkeypatch.setattr(module, "fit", fit_and_note)

    spy(unlabelled, "pretraining")
    spy(fine_tuning, "fine-tuning")
    return seen


def _as_bytes(images):
    return (images * 255).round().to(torch.uint8) if images.is_floating_point() else images


def _keys(images):
    return {image.numpy().tobytes() for image in images}


def test_the_lesson(small, tmp_path, trainer, given):
    numbers = run_lesson("pretraining", small, tmp_path, seed=0, trainer=trainer)
    json.dumps(numbers, allow_nan=False)
    everybody = str(numbers["n_patients"]["train"])
    for part in (numbers["mean_auroc"], numbers["by_draw"], numbers["learning_rate"]):
        assert list(part) == STARTS
        assert all(list(sizes) == ["3", everybody] for sizes in part.values())
    assert list(numbers["mean_minus_random_weights"]) == STARTS[1:]
    assert all(len(draws) == 2 for sizes in numbers["by_draw"].values() for draws in sizes.values())
    assert {rate for sizes in numbers["learning_rate"].values() for rate in sizes.values()} <= {1e-3, 1e-2}
    assert (tmp_path / "pretraining.png").stat().st_size > 10_000
    table = drawn_frames(small["root"], small["phantom"])
    frames = {side: _keys(read_images(part, small["root"], 16)) for side, part in table.groupby("split")}
    for kind, loaders in given.items():
        training, validation = (set().union(*(_keys(images) for images in loaders[side::2])) for side in (0, 1))
        assert training <= frames["train"] - frames["test"], kind
        assert validation <= frames["val"] - frames["test"], kind
    assert len(given["pretraining"]) == 2 * 2
    assert len(given["fine-tuning"]) == 2 * 3 * 2 * 2 * 2
    assert all(len(images) == 2 * 32 for images in given["fine-tuning"][::2])  # as many steps from every start


def test_frames_of_a_manifest(drawn, small, tmp_path, trainer):
    table = drawn_frames(**drawn).drop(columns="split")
    table["video"] = pd.NA
    table["device"] = np.where(table["patient"].str[-1].astype(int) % 2, "phantom_1", "phantom_2")
    write_manifest(table, tmp_path / "frames.csv")
    settings = {**SMALL, "root": drawn["root"], "manifest": str(tmp_path / "frames.csv"), "findings": ["content"]}
    settings |= {"draws": 1, "rates": [1e-3]}
    numbers = run_lesson("pretraining", settings, tmp_path / "run", seed=0, trainer=trainer)
    assert sum(numbers["n_frames"].values()) == len(read_manifest(tmp_path / "frames.csv"))
    assert set(numbers["by_device"]) <= {"phantom_1", "phantom_2"}


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"findings": ["worms"]}, "worms.*choose one or more of polyp, bleeding"),
        ({"findings": []}, "lesson.findings"),
        ({"labelled": [3, 99]}, "asks for 99 patients"),
        ({"labelled": []}, "at least one of each"),
        ({"rates": []}, "at least one of each"),
        ({"steps": 0}, "at least one of each"),
        ({"image_size": 24}, "multiple of 16"),
        ({"reach": 4, "gap": 2}, "1 <= reach <= gap"),
    ],
)
def test_what_is_not_possible_is_named(small, tmp_path, trainer, changed, text):
    with pytest.raises(UserError, match=text):
        run_lesson("pretraining", small | changed, tmp_path, seed=0, trainer=trainer)


def test_a_manifest_without_videos_is_named(drawn, tmp_path, trainer):
    table = drawn_frames(**drawn).drop(columns="split")
    table["frame"] = pd.NA
    write_manifest(table, tmp_path / "frames.csv")
    settings = {**SMALL, "root": drawn["root"], "manifest": str(tmp_path / "frames.csv"), "findings": ["content"]}
    with pytest.raises(UserError, match="no two unlabelled frames"):
        run_lesson("pretraining", settings, tmp_path / "run", seed=0, trainer=trainer)


def test_noise_is_added_in_training_alone():
    torch.manual_seed(0)
    network = DenoisingFrames(FrameEncoder(16), 16, noise=0.3)
    frames = torch.rand(2, 3, 32, 32)
    assert network(frames).shape == frames.shape
    network.maps.eval(), network.decoder.eval()  # batch normalisation depends on the mode too
    assert not torch.equal(network(frames), network(frames))
    network.eval()
    assert torch.equal(network(frames), network(frames))


def test_rows_come_in_rounds():
    rows = in_rounds(np.array([3, 5, 8]), 7, seed=0)
    assert len(rows) == 7
    assert set(rows[:3]) == set(rows[3:6]) == {3, 5, 8}
    assert in_rounds(np.array([3, 5, 8]), 2, seed=0) == rows[:2]


def test_the_start_is_where_training_begins(tmp_path, trainer):
    table = pd.DataFrame({"patient": list("aaabbbcccddd"), "polyp": pd.array([0, 1, 0] * 4, "Int8")})
    table["split"] = ["train"] * 6 + ["val"] * 3 + ["test"] * 3
    images = torch.randint(256, (12, 3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    settings = {"features": 16, "steps": 1, "batch_size": 4, "optimiser": {}, "trainer": trainer, "seed": 0}
    tune = FineTuning(images, table, ["polyp"], rates=[1e-9], **settings)
    start = FrameEncoder(16)
    (first,), rate = tune(start, [["a", "b"]], out=tmp_path / "start")
    (again,), _ = tune(start, [["a"]], out=tmp_path / "again")
    (other,), _ = tune(None, [["a", "b"]], out=tmp_path / "other")
    assert rate == 1e-9 and first.shape == (3, 1)
    assert not torch.allclose(first, other, atol=1e-4)
    assert again.shape == first.shape
