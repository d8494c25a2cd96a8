"""What a sweep found: the best trial beside the experiment's own settings, and the best settings as an experiment."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType
from optuna.trial import FrozenTrial, TrialState

from capsight.cli import CONF
from capsight.errors import UserError
from capsight.files import atomic
from capsight.learning.sweep.study import DEFAULT, Sweep


def outcome(sweep: Sweep) -> dict:
    """Return the content of sweep.json: all trials, the best one, and whether it is better than the default.

    within_one_standard_error: the best trial is above the default by no more than its own standard error, so that the
    experiment's own settings may be as good; None where one of the numbers is missing.
    """
    trials = [_told(sweep, trial) for trial in sweep.trials()]
    done = [trial for trial in trials if trial["state"] == "complete"]
    best = max(done, key=lambda trial: (trial["value"], -trial["number"]), default=None)
    default = next((trial for trial in done if trial["default"]), None)
    within = None
    if best and default and best["standard_error"] is not None:
        within = best["value"] - default["value"] <= best["standard_error"]
    return {
        "metric": sweep.metric,
        "best": best and best["number"],
        "default": default and default["number"],
        "within_one_standard_error": within,
        "trials": trials,
    }


def write_best(sweep: Sweep, number: int) -> Path:
    """Write the settings of a trial as an experiment, and return the file.

    It lies in a folder `experiment`, so that scripts/train.py finds it as experiment=best with --config-dir OUT.
    """
    trial = sweep.trials()[number]
    told = [parameter.told(trial.params[parameter.name]) for parameter in sweep.space]
    file = sweep.out / "experiment" / "best.yaml"
    with atomic(file) as temporary:
        temporary.write_text(experiment([*sweep.settings, *told]), encoding="utf-8")
    return file


def experiment(settings: Sequence[str]) -> str:
    """Return an experiment file that sets what these settings set on the command line."""
    groups, content = {}, {}
    for override in OverridesParser.create().parse_overrides(list(settings)):
        if override.type == OverrideType.DEL:
            raise UserError(f"the setting {override.input_line} leaves something out, which no experiment can.")
        name, value = override.key_or_group, override.value()
        if (CONF / name).is_dir():
            groups[name] = value  # of a group that is given twice the last one counts
        else:
            _set(content, name.split("."), value)
    defaults = [groups.pop("experiment")] if "experiment" in groups else []
    defaults += [{f"override /{name}": value} for name, value in groups.items()]
    head = "# @package _global_\n# The best trial of a sweep on the validation patients.\n"
    return head + yaml.safe_dump({"defaults": [*defaults, "_self_"], **content}, sort_keys=False)


def _set(tree: dict, keys: Sequence[str], value) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
    tree[keys[-1]] = value


def _told(sweep: Sweep, trial: FrozenTrial) -> dict:
    return {
        "number": trial.number,
        "state": trial.state.name.lower(),
        "value": trial.value if trial.state == TrialState.COMPLETE else None,
        "standard_error": trial.user_attrs.get("standard_error"),
        "reason": trial.user_attrs.get("error") or trial.user_attrs.get("reason"),
        "default": bool(trial.user_attrs.get(DEFAULT)),
        "epochs": len(trial.intermediate_values),
        "settings": {one.setting: trial.params[one.name] for one in sweep.space if one.name in trial.params},
        "run": sweep.folder(trial.number).name,
    }
