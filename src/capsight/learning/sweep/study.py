"""A sweep: a folder of runs and a study, which several workers share and which can be left and gone on with."""

import fcntl
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from capsight.errors import UserError
from capsight.files import write_json
from capsight.learning.run import MAY_CHANGE
from capsight.learning.sweep.score import METRICS
from capsight.learning.sweep.space import Parameter, Value
from capsight.learning.sweep.storage import open_storage

SAMPLERS = ("tpe", "random")
PRUNERS = ("median", "asha", "none")
DEFAULT = "default"  # marks the trial with the experiment's own settings


@dataclass(frozen=True)
class Sweep:
    """What all workers of a sweep agree on, and their study."""

    out: Path
    study: optuna.Study
    space: list[Parameter]
    settings: list[str]  # of every trial, as scripts/train.py takes them
    metric: str
    sampler: str
    seed: int

    def folder(self, number: int) -> Path:
        """Return the folder of a trial's run."""
        return self.out / f"trial_{number}"

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials that were given out, in any of the states; all of them where none is named."""
        given = [state for state in TrialState if state != TrialState.WAITING]
        return self.study.get_trials(deepcopy=False, states=states or given)

    def ask(self) -> optuna.Trial:
        """Draw the next trial. What is drawn depends on the seed and on what was tried, not on who asks."""
        self.study.sampler = build_sampler(self.sampler, hash((self.seed, len(self.trials()))) % 2**32)
        return self.study.ask()


def begin_sweep(
    out: Path,
    url: str,
    name: str,
    *,
    space: Sequence[Parameter],
    settings: Sequence[str],
    defaults: Mapping[str, Value],
    metric: str,
    sampler: str,
    pruner: BasePruner,
    seed: int,
) -> Sweep:
    """Begin a sweep in `out`, or go on with the one that is there.

    defaults: the value that each parameter has by itself; the first trial has them. Raises UserError where the folder
    holds another sweep, the storage another folder's, or the storage lost what the folder has.
    """
    build_sampler(sampler, seed)
    if metric not in METRICS:
        raise UserError(f"metric={metric} is not known; choose {', '.join(METRICS)}.")
    with one_at_a_time(out):
        # Another manifest would have other validation patients, and scores that cannot be compared.
        free = MAY_CHANGE - {"data.manifest"}
        kept = [setting for setting in settings if setting.split("=")[0].lstrip("+") not in free]
        search = {"name": name, "settings": kept, "space": [vars(one) for one in space], "metric": metric}
        mark = _mark(out, search)
        study = optuna.create_study(
            storage=open_storage(url), study_name=name, direction="maximize", load_if_exists=True, pruner=pruner
        )
        owner = study.user_attrs.get("sweep")
        if owner is None and not study.get_trials(deepcopy=False):
            if list(out.glob("trial_*")):
                raise UserError(
                    f"the storage does not hold the trials of {out}; give the storage that this sweep began with, or "
                    "another out."
                )
            write_json({"mark": mark, "search": search}, out / "search.json")
            study.set_user_attr("sweep", mark)
        elif owner != mark:
            raise UserError(
                f"the storage holds a sweep {name!r} of another folder than {out}; give its folder as out, or another "
                "storage."
            )
        sweep = Sweep(out, study, list(space), list(settings), metric, sampler, seed)
        if not any(trial.user_attrs.get(DEFAULT) and trial.state != TrialState.FAIL for trial in study.get_trials()):
            study.enqueue_trial(dict(defaults), user_attrs={DEFAULT: True})
    return sweep


@contextmanager
def one_at_a_time(out: Path) -> Iterator[None]:
    """Hold the other workers of a sweep back for a moment."""
    out.mkdir(parents=True, exist_ok=True)
    with open(out / ".giving_out", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_sampler(name: str, seed: int) -> BaseSampler:
    """Return what draws the settings. UserError for an unknown name."""
    if name not in SAMPLERS:
        raise UserError(f"sampler={name} is not known; choose {', '.join(SAMPLERS)}.")
    return TPESampler(seed=seed) if name == "tpe" else RandomSampler(seed=seed)


def build_pruner(name: str, *, epochs: int, trials: int, factor: int) -> BasePruner:
    """Return what stops bad trials. UserError for an unknown name.

    No trial is stopped before `epochs` epochs. median: nor before so many `trials` were finished. asha: of the trials
    at each rung one in `factor` goes on (Li et al. 2020, A system for massively parallel hyperparameter tuning).
    """
    if name not in PRUNERS:
        raise UserError(f"pruner.name={name} is not known; choose {', '.join(PRUNERS)}.")
    if name == "median":
        return MedianPruner(n_startup_trials=trials, n_warmup_steps=epochs)  # Optuna counts from 0, the trials from 1
    return SuccessiveHalvingPruner(min_resource=epochs, reduction_factor=factor) if name == "asha" else NopPruner()


def _mark(out: Path, search: dict) -> str:
    """Return what tells this folder's sweep from others; a new one in a new folder. UserError for another search."""
    file, search = out / "search.json", json.loads(json.dumps(search))
    if not file.exists():
        if list(out.glob("trial_*")):
            raise UserError(f"{file} is missing, though there are trials; choose another out.")
        return uuid.uuid4().hex
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        mark, before = content["mark"], dict(content["search"])
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{file} is damaged, so what was searched is not known; choose another out.") from None
    if changed := sorted(key for key in before.keys() | search.keys() if before.get(key) != search.get(key)):
        raise UserError(
            f"{out} holds a sweep with another search ({', '.join(changed)}); use the same, or choose another out."
        )
    return mark
