"""Every experiment composes, and what it sets is taken by what reads it."""

import inspect
from importlib import import_module

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from capsight.cli import CONF
from capsight.data.batches import PatientBalancedBatches
from capsight.data.phantom import make_phantom
from capsight.data.splits import split_frames
from capsight.data.target import split_devices
from capsight.learning.frame_learner import FrameLearner

EXPERIMENTS = sorted(file.stem for file in (CONF / "experiment").glob("*.yaml"))


def settings(experiment):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=[f"experiment={experiment}", "run_dir=x"])
    return OmegaConf.to_container(config, resolve=False)


def names(function):
    return set(inspect.signature(function).parameters)


@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if settings(name)["lesson"]])
def test_every_setting_of_a_lesson_is_read(experiment):
    lesson = settings(experiment)["lesson"]
    name = lesson.pop("name")
    assert set(lesson) <= names(getattr(import_module(f"capsight.lecture.{name}"), name))


@pytest.mark.parametrize("experiment", [name for name in EXPERIMENTS if not settings(name)["lesson"]])
def test_every_setting_is_read(experiment):
    config = settings(experiment)
    data = config["data"]
    assert set(config["model"]) <= names(FrameLearner)
    assert set(data["split"]) <= names(split_frames) | names(split_devices)
    assert set(data.get("phantom", {})) <= names(make_phantom)
    assert {"classes_per_batch", "frames_per_class"} <= set(data["batch"]) & names(PatientBalancedBatches)
    assert set(config["grid"]) == set(OmegaConf.load(CONF / "grid.yaml"))
    learner = FrameLearner(findings=["polyp"], **{**config["model"], "pretrained": False, "weights": None})
    assert learner.network.head.classifier.out_features == 1


def test_an_experiment_has_the_say():
    assert settings("demo")["title"] == "Phantom demo"


def test_there_are_experiments():
    assert {"demo", "capsule_vision", "shift_phantom", "lenet"} <= set(EXPERIMENTS)
