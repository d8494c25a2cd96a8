"""The systems of a lecture on neural networks, each at work: one experiment per module."""

import inspect
import math
from importlib import import_module
from pathlib import Path

from capsight.errors import UserError

# In the lecture's order. A lesson is the function of the same name in the module of the same name:
# `lesson(out, *, seed, trainer, **settings) -> dict` trains, writes pictures into `out` and returns its numbers.
LESSONS = (
    "mlp",
    "pooling",
    "lenet",
    "architectures",
    "vanishing",
    "recipe",
    "sentiment",
    "word_embeddings",
    "vanilla_rnn",
    "language_model",
    "captioner",
    "autoencoders",
    "pretraining",
    "deep_patient",
    "sequences",
)


def run_lesson(name: str, settings: dict, out: str | Path, *, seed: int, trainer: dict) -> dict:
    """Run one of `LESSONS` with `settings`, the rest at their defaults, and return its numbers, fit for JSON.

    trainer: the section of the config. Raises UserError for a lesson or a setting that does not exist.
    """
    if name not in LESSONS:
        raise UserError(f"there is no lesson {name!r}; choose {', '.join(LESSONS)}.")
    lesson = getattr(import_module(f"{__name__}.{name}"), name)
    _check(name, settings, inspect.signature(lesson).parameters)
    Path(out).mkdir(parents=True, exist_ok=True)
    return lesson(Path(out), seed=seed, trainer=trainer, **settings)


def _check(name: str, settings: dict, parameters) -> None:
    defaults = {key: parameter.default for key, parameter in parameters.items()}
    defaults = {key: value for key, value in defaults.items() if key not in ("out", "seed", "trainer")}
    if unknown := sorted(settings.keys() - defaults.keys()):
        known = ", ".join(defaults) or "none"
        raise UserError(f"the lesson {name} has no setting {', '.join(unknown)}; it has {known}.")
    for key, value in settings.items():
        if not _is_like(value, defaults[key]):
            raise UserError(f"lesson.{key}={value} is not possible; it is a {_kind(defaults[key])} as {defaults[key]}.")


def _is_like(value, default) -> bool:
    """Tell whether `value` is of the kind of `default`: numbers are finite and not negative; None says nothing."""
    if default is None or default is inspect.Parameter.empty:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, int | float):
        kinds = int if isinstance(default, int) else int | float
        return isinstance(value, kinds) and math.isfinite(value) and value >= 0
    return isinstance(value, list | tuple if isinstance(default, list | tuple) else type(default))


def _kind(default) -> str:
    kinds = {bool: "switch", int: "whole number", float: "number", str: "name", tuple: "list", list: "list"}
    return kinds.get(type(default), type(default).__name__)
