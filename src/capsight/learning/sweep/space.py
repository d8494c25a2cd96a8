"""The search space: which settings vary, between which bounds, and what a trial is told of them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from capsight.errors import UserError

KINDS = {"float": float, "int": int, "categorical": None}
KEYS = {
    "float": {"setting", "kind", "low", "high", "log"},
    "int": {"setting", "kind", "low", "high", "log"},
    "categorical": {"setting", "kind", "choices"},
}
NEEDED = {"float": ("low", "high"), "int": ("low", "high"), "categorical": ("choices",)}

Value = float | int | str | bool | None


@dataclass(frozen=True)
class Parameter:
    """One setting that varies: a number from `low` to `high`, evenly on a logarithmic scale with `log`, or a choice."""

    name: str
    setting: str
    kind: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()

    def suggest(self, trial: optuna.Trial) -> Value:
        """Return the value of a trial; one that was suggested before stays."""
        if self.kind == "categorical":
            return trial.suggest_categorical(self.name, self.choices)
        draw = trial.suggest_float if self.kind == "float" else trial.suggest_int
        return draw(self.name, self.low, self.high, log=self.log)

    def edges(self) -> tuple[Value, ...]:
        """Return the values that the others lie between; all choices."""
        return self.choices if self.kind == "categorical" else (self.low, self.high)

    def told(self, value: Value) -> str:
        """Return what scripts/train.py is told."""
        return f"{self.setting}={written(value)}"

    def default(self, config: DictConfig) -> Value:
        """Return the value that the trials' config has by itself. UserError where it is outside of the space."""
        value = OmegaConf.to_container(OmegaConf.create({"of": OmegaConf.select(config, self.setting)}))["of"]
        if self.kind == "categorical":
            same = [choice for choice in self.choices if (type(value), value) == (type(parsed(choice)), parsed(choice))]
        else:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            same = [KINDS[self.kind](value)] if number and self.low <= value <= self.high else []
        if not same:
            space = f"one of {', '.join(map(written, self.choices))}" if self.choices else f"{self.low} to {self.high}"
            raise UserError(
                f"search.parameters.{self.name}: {self.setting} is {written(value)} where nothing varies it, and not "
                f"in the search space ({space}); widen the space, because a sweep begins with that value."
            )
        return same[0]


def written(value: Value | list) -> str:
    """Return a value as a setting has it on the command line."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)


def parsed(choice: Value):
    """Return what a choice means to Hydra: the text "[a,b]" is a list."""
    return OverridesParser.create().parse_override(f"x={written(choice)}").value()


def read_space(parameters: Mapping) -> list[Parameter]:
    """Read the section `search.parameters` of the config. UserError for a space that makes no sense."""
    if not isinstance(parameters, dict) or not parameters:
        raise UserError("search.parameters is empty; name at least one setting to vary, see conf/search/.")
    space = [_read(str(name), entry) for name, entry in parameters.items()]
    settings = [parameter.setting for parameter in space]
    if twice := sorted({setting for setting in settings if settings.count(setting) > 1}):
        raise UserError(f"search.parameters varies {twice[0]} twice; name each setting once.")
    return space


def check_told(space: Sequence[Parameter], config: DictConfig) -> None:
    """Raise UserError where a parameter's setting is none of the config of a trial."""
    for parameter in space:
        missing = object()
        found = OmegaConf.select(config, parameter.setting, default=missing)
        if found is missing or OmegaConf.is_dict(found):
            what = "a group of settings" if found is not missing else "no setting of scripts/train.py"
            raise UserError(
                f"search.parameters.{parameter.name}: {parameter.setting} is {what}; see the files in conf/."
            )


def _read(name: str, entry) -> Parameter:
    where = f"search.parameters.{name}"
    if not isinstance(entry, dict):
        raise UserError(f"{where}={entry} is not possible; give setting, kind, and low and high, or choices.")
    kind = entry.get("kind")
    if kind not in KINDS:
        raise UserError(f"{where}.kind={kind} is not known; choose {', '.join(KINDS)}.")
    if unknown := sorted(entry.keys() - KEYS[kind]):
        raise UserError(f"{where}.{unknown[0]} is not known for kind {kind}; it has {', '.join(sorted(KEYS[kind]))}.")
    for key in ("setting", *NEEDED[kind]):
        if entry.get(key) is None:
            raise UserError(f"{where}.{key} is missing; give it a value.")
    if not isinstance(entry["setting"], str):
        raise UserError(f"{where}.setting={entry['setting']} is not possible; name one, such as model.optimiser.lr.")
    if kind == "categorical":
        return Parameter(name, entry["setting"], kind, choices=_choices(where, entry["choices"]))
    return _number(where, name, kind, entry)


def _choices(where: str, choices) -> tuple[Value, ...]:
    plain = isinstance(choices, list) and all(isinstance(one, str | int | float | None) for one in choices)
    if not plain or len(choices) < 2 or len({written(one) for one in choices}) < len(choices):
        raise UserError(
            f"{where}.choices={choices} is not possible; give two or more different values, lists in quotes as '[a,b]'."
        )
    return tuple(choices)


def _number(where: str, name: str, kind: str, entry: dict) -> Parameter:
    low, high, log = entry["low"], entry["high"], entry.get("log", False)
    for key, value in (("low", low), ("high", high)):
        right = isinstance(value, int if kind == "int" else int | float) and not isinstance(value, bool)
        if not right or not math.isfinite(value):
            raise UserError(f"{where}.{key}={value} is not possible; it is a {'whole ' * (kind == 'int')}number.")
    if not isinstance(log, bool):
        raise UserError(f"{where}.log={log} is not possible; it is true or false.")
    if low >= high:
        raise UserError(f"{where}: low={low} is not below high={high}; exchange them, or leave the parameter out.")
    if log and low <= 0:
        raise UserError(f"{where}: low={low} has no logarithm; give a low above 0, or log=false.")
    return Parameter(name, entry["setting"], kind, KINDS[kind](low), KINDS[kind](high), log)
