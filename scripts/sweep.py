"""Search for the settings that train best on the validation patients, in trials that are ordinary trainings.

python scripts/sweep.py search=demo trials=20
"""

import signal
import sys
from pathlib import Path

from hydra import compose
from omegaconf import DictConfig, OmegaConf

from capsight.cli import own_config_dir, verb
from capsight.errors import UserError
from capsight.learning.grid import quoted
from capsight.learning.settings import check_settings, check_sweep
from capsight.learning.sweep.space import Parameter, check_told, read_space
from capsight.learning.sweep.storage import in_one_line, storage_url
from capsight.learning.sweep.study import begin_sweep, build_pruner
from capsight.learning.sweep.worker import work
from capsight.learning.trainings import TRAIN
from capsight.report.sweep import show_trials, write_sweep_results


@verb("sweep")
def main(config: DictConfig) -> None:
    settings = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    check_sweep(settings)
    search, out = settings["search"], Path(settings["out"])

    # search: what cannot be had is said before anything is trained
    space = read_space(search["parameters"])
    shared = [*search["settings"], *settings["settings"]]
    plain = _compose(shared, out)
    check_told(space, plain)
    for number in range(max(len(parameter.edges()) for parameter in space)):
        _compose([*shared, *(_edge(parameter, number) for parameter in space)], out)

    # trials: until there are enough, whoever runs them
    url = storage_url(settings["storage"], out)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the trial's process must not be left behind
    with in_one_line(url):
        sweep = begin_sweep(
            out,
            url,
            search["name"],
            space=space,
            settings=shared,
            defaults={parameter.name: parameter.default(plain) for parameter in space},
            pruner=build_pruner(**settings["pruner"]),
            **{key: settings[key] for key in ("metric", "sampler", "seed")},
        )
        command = settings["command"] or [sys.executable, str(TRAIN), *own_config_dir()]
        show_trials(work(sweep, settings["trials"], command), sweep, settings["trials"])

        # what they say
        write_sweep_results(sweep)


def _compose(told: list[str], out: Path) -> DictConfig:
    """Read what a trial is told as scripts/train.py does. UserError or Hydra's where it cannot be."""
    config = compose("train", [*told, f"run_dir={quoted(out / 'trial_0')}"])
    if config.lesson:
        raise UserError("search.settings names a lesson, which has no validation patients; choose another experiment.")
    check_settings(OmegaConf.to_container(config, resolve=True, throw_on_missing=True))
    return config


def _edge(parameter: Parameter, number: int) -> str:
    edges = parameter.edges()
    return parameter.told(edges[number % len(edges)])


if __name__ == "__main__":
    main()
