"""What a sweep shows while it runs, and what it leaves: sweep.json, pictures, best.yaml, and a table."""

import time
from collections.abc import Iterable
from pathlib import Path

import optuna
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from capsight.errors import UserError
from capsight.files import atomic, write_result
from capsight.learning.sweep.best import outcome, write_best
from capsight.learning.sweep.space import Value, written
from capsight.learning.sweep.study import Sweep
from capsight.report.sweep_plots import METRIC_NAMES, history, importance, slices

SHOWN = 10  # trials in the table, the best ones
ENOUGH = 4  # finished trials, before it is asked which settings mattered


def show_trials(finished: Iterable[FrozenTrial], sweep: Sweep, trials: int) -> None:
    """Show a bar with the time that is left, and a line for every trial that is finished. Ctrl-C stops it."""
    try:
        _show_trials(finished, sweep, trials)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped; the same command goes on.")
        raise


def _show_trials(finished: Iterable[FrozenTrial], sweep: Sweep, trials: int) -> None:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
    start, begun = time.monotonic(), len([one for one in sweep.trials() if one.state.is_finished()])
    with Progress(TextColumn("Trials"), *columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=trials, left="")
        for count, trial in enumerate(finished, start=1):
            if count > begun:  # those of before come first, at once
                bar.print(_line(trial), markup=False, highlight=False, soft_wrap=True)
            each = (time.monotonic() - start) / (count - begun) if count > begun else 0
            left = f"about {_duration(each * (trials - count))} left" if each and count < trials else ""
            bar.update(task, completed=count, left=left)


def write_sweep_results(sweep: Sweep) -> dict:
    """Write what the sweep found, print it, and return it. UserError where no trial was finished."""
    found = outcome(sweep)
    write_result(found, sweep.out / "sweep.json")
    if found["best"] is None:
        errors = [trial["reason"] for trial in found["trials"] if trial["state"] == "fail"]
        raise UserError(f"no trial was finished, so nothing is best; {errors[-1] if errors else 'give more trials'}")
    shares = _importance(sweep)
    marks = {"metric": sweep.metric, "best": found["best"]}
    _write(history(found["trials"], **marks, default=found["default"]), sweep.out / "history.png")
    logarithmic = [parameter.setting for parameter in sweep.space if parameter.log]
    _write(slices(found["trials"], **marks, logarithmic=logarithmic), sweep.out / "settings.png")
    if shares:
        _write(importance(shares), sweep.out / "importance.png")
    best = write_best(sweep, found["best"])
    unknown = f"Fewer than {ENOUGH} different trials are too few to tell which settings mattered."
    _print(found, [one.name for one in sweep.space], sweep.out, best, [] if shares else [unknown])
    return found


def _importance(sweep: Sweep) -> dict[str, float] | None:
    """Return the share of each setting (fANOVA, Hutter et al. 2014); None where the trials are too few or all alike."""
    done = sweep.trials(TrialState.COMPLETE)
    varied = [one for one in sweep.space if len({trial.params[one.name] for trial in done}) > 1]
    if len({trial.value for trial in done}) < ENOUGH or not varied:
        return None
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = optuna.importance.get_param_importances(
        sweep.study, evaluator=evaluator, params=[one.name for one in varied]
    )
    return {one.setting: float(shares.get(one.name, 0.0)) for one in sweep.space}


def _write(figure: Figure, file: Path) -> None:
    with atomic(file) as temporary:
        figure.savefig(temporary, dpi=120)


def _print(found: dict, names: list[str], out: Path, best: Path, notes: list[str]) -> None:
    done = sorted((t for t in found["trials"] if t["state"] == "complete"), key=lambda t: (-t["value"], t["number"]))
    table = Table(title=f"The best of {len(found['trials'])} trials; * has the experiment's own settings")
    for name in ("Trial", *names, f"Validation {METRIC_NAMES[found['metric']]}"):
        table.add_column(name)
    for trial in done[:SHOWN] + [trial for trial in done[SHOWN:] if trial["default"]]:
        own = " *" if trial["default"] else ""
        table.add_row(f"{trial['number']}{own}", *map(_short, trial["settings"].values()), _value(trial))
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(table)
    for state, text in (("pruned", "stopped early"), ("fail", "failed")):
        if number := sum(trial["state"] == state for trial in found["trials"]):
            console.print(f"{number} {text}.")
    for reason in sorted({trial["reason"] for trial in done if trial["standard_error"] is None}):
        console.print(f"No standard error: {reason} among the validation patients.")
    for note in [*_compared(found), *notes]:
        console.print(note)
    console.print(f"pictures: {', '.join(str(file.resolve()) for file in sorted(out.glob('*.png')))}")
    console.print(f"best settings: {best.resolve()}")
    console.print(f"use them by: python scripts/train.py --config-dir {out.resolve()} experiment=best run_dir=DIR")


def _compared(found: dict) -> list[str]:
    by_number = {trial["number"]: trial for trial in found["trials"]}
    best, default = by_number[found["best"]], by_number.get(found["default"])
    if default is None:
        return ["The trial with the experiment's own settings was not finished: there is nothing to compare with."]
    if best is default:
        return ["Nothing is better than the experiment's own settings."]
    if found["within_one_standard_error"] is None:
        return [f"Whether the best is better than the experiment's own is not known: {best['reason']}."]
    gain = best["value"] - default["value"]
    if found["within_one_standard_error"]:
        return [f"The best is within one standard error of the experiment's own settings (+{gain:.3f}): keep those."]
    return [
        f"The best is {gain:.3f} above the experiment's own settings, more than its standard error. On the patients "
        "that chose it, the best of many looks better than it is: test it on others."
    ]


def _line(trial: FrozenTrial) -> str:
    settings = ", ".join(f"{name} {_short(value)}" for name, value in trial.params.items())
    if trial.state == TrialState.COMPLETE:
        told = _value({"value": trial.value, **trial.user_attrs})
    elif trial.state == TrialState.PRUNED:
        told = f"stopped after epoch {len(trial.intermediate_values)}"
    else:
        told = f"failed: {trial.user_attrs.get('error', 'no reason is known')}"
    return f"trial {trial.number}: {told}  ({settings})"


def _short(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else written(value)


def _value(trial: dict) -> str:
    error = trial.get("standard_error")
    return f"{trial['value']:.3f}" + (f" ± {error:.3f}" if error is not None else "")


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return "a minute"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
