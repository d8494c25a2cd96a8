"""Who has which trial: a lock in its folder, held by the worker and by the process that it started.

A lock is let go when all its holders are dead, however they died. So a trial that is under way in the study and not
locked was left, and is taken over with the same number, settings and folder; one whose worker alone was killed is left
to its process, which may well finish it.
"""

import fcntl
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

import optuna
from optuna.trial import TrialState

from capsight.learning.sweep.study import Sweep, one_at_a_time


@dataclass(frozen=True)
class Held:
    """A trial that is this worker's, until the lock is closed."""

    trial: optuna.Trial
    folder: Path
    lock: TextIOWrapper


def claim(sweep: Sweep, trials: int) -> Held | None:
    """Take over a trial that was left, or begin one where there are fewer than `trials`; None where there is none."""
    with one_at_a_time(sweep.out):  # so that nobody takes a trial for left that is just being given out
        for left in sweep.trials(TrialState.RUNNING):
            folder = sweep.folder(left.number)
            if lock := _try_lock(folder):
                if sweep.trials()[left.number].state == TrialState.RUNNING:  # not finished in the meantime
                    return Held(optuna.Trial(sweep.study, left._trial_id), folder, lock)
                lock.close()
        if len(sweep.trials()) >= trials:
            return None
        trial = sweep.ask()
        folder = sweep.folder(trial.number)
        return Held(trial, folder, _try_lock(folder))


def _try_lock(folder: Path) -> TextIOWrapper | None:
    folder.mkdir(exist_ok=True)
    lock = open(folder / ".at_work", "w")  # noqa: SIM115 - it is held for as long as the trial
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock
