import sys
from types import ModuleType

import pytest

from capsight.errors import UserError
from capsight.lecture import LESSONS, run_lesson


@pytest.fixture
def lesson(monkeypatch):
    def mlp(out, *, seed, trainer, batch_size=8, rate=0.1, deep=True, names=("a",), file=None):
        return {"seed": seed, "batch_size": batch_size, "rate": rate, "there": out.is_dir()}

    module = ModuleType("capsight.lecture.mlp")
    module.mlp = mlp
    monkeypatch.setitem(sys.modules, "capsight.lecture.mlp", module)


def test_settings_reach_the_lesson(lesson, tmp_path):
    numbers = run_lesson("mlp", {"batch_size": 3, "file": "x"}, tmp_path / "new", seed=5, trainer={})
    assert numbers == {"seed": 5, "batch_size": 3, "rate": 0.1, "there": True}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"batchsize": 3}, "no setting batchsize; it has batch_size, rate, deep, names, file"),
        ({"seed": 3}, "no setting seed"),
        ({"batch_size": 0.5}, "whole number"),
        ({"batch_size": True}, "whole number"),
        ({"batch_size": -1}, "whole number"),
        ({"rate": float("nan")}, "lesson.rate=nan"),
        ({"deep": 1}, "switch"),
        ({"names": "a"}, "list"),
    ],
)
def test_bad_settings_are_named(lesson, tmp_path, settings, text):
    with pytest.raises(UserError, match=text):
        run_lesson("mlp", settings, tmp_path, seed=0, trainer={})


def test_an_unknown_lesson_is_named(tmp_path):
    with pytest.raises(UserError, match="'perceptron'; choose mlp, "):
        run_lesson("perceptron", {}, tmp_path, seed=0, trainer={})
    assert len(set(LESSONS)) == len(LESSONS)
