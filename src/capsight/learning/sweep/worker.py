"""One worker of a sweep: trial after trial until there are enough, by whomever."""

import time
from collections.abc import Iterator, Sequence

from optuna.trial import FrozenTrial, TrialState

from capsight.errors import UserError
from capsight.learning.grid import quoted
from capsight.learning.sweep.process import POLL, epoch_scores, run_process
from capsight.learning.sweep.score import score_run
from capsight.learning.sweep.study import Sweep
from capsight.learning.sweep.trials import Held, claim

ENOUGH_FAILED = 3  # trials at the start of a worker; more would fail like them


def work(sweep: Sweep, trials: int, command: Sequence[str]) -> Iterator[FrozenTrial]:
    """Run trials until `trials` are finished, other workers' included; yield each that is, those of before first.

    command: what starts a training, to which its settings are added. Raises UserError where all of the first
    trials of this worker fail.
    """
    seen, own = set(), []
    while True:
        finished = [trial for trial in sweep.trials() if trial.state.is_finished()]
        yield from (trial for trial in finished if trial.number not in seen)
        seen.update(trial.number for trial in finished)
        if held := claim(sweep, trials):
            with held.lock:
                own.append(_run(sweep, held, command))
            if len(own) == min(ENOUGH_FAILED, trials) and all(own):
                raise UserError(f"no trial worked so far, so the sweep stops; the last one: {own[-1]}")
        elif len(finished) == len(sweep.trials()):
            return
        else:  # others are at work, and may leave a trial
            time.sleep(POLL)


def _run(sweep: Sweep, held: Held, command: Sequence[str]) -> str | None:
    """Run a trial to its end and tell the study; return why it failed, if it did."""
    trial, folder = held.trial, held.folder
    told = [parameter.told(parameter.suggest(trial)) for parameter in sweep.space]
    stopped, failure = False, None
    if not (folder / "metrics.json").is_file():  # written last: the worker of a finished training was killed
        line = [*command, *sweep.settings, *told, f"run_dir={quoted(folder)}", "resume=auto"]
        stopped, failure = run_process(line, folder, held.lock, lambda: _look(held))
    if stopped:
        sweep.study.tell(trial, state=TrialState.PRUNED)
    elif not failure:
        failure = _tell_score(sweep, held)
    if failure:
        trial.set_user_attr("error", failure)
        sweep.study.tell(trial, state=TrialState.FAIL)
    else:
        (folder / "checkpoints" / "last.ckpt").unlink(missing_ok=True)  # the state to go on from: three times the model
    return failure


def _look(held: Held) -> bool:
    """Report the epochs that are new; return whether the trial should stop."""
    reported = held.trial.study.get_trials(deepcopy=False)[held.trial.number].intermediate_values
    new = {epoch: score for epoch, score in epoch_scores(held.folder).items() if epoch + 1 not in reported}
    for epoch, score in sorted(new.items()):
        held.trial.report(score, step=epoch + 1)
    return bool(new) and held.trial.should_prune()


def _tell_score(sweep: Sweep, held: Held) -> str | None:
    try:
        score = score_run(held.folder, sweep.metric)
    except UserError as error:
        return str(error)
    held.trial.set_user_attr("standard_error", score.standard_error)
    held.trial.set_user_attr("reason", score.reason)
    sweep.study.tell(held.trial, score.value)
    return None
