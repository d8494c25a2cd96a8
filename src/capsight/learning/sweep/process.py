"""One trial as a process of its own, watched while it trains."""

import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pandas as pd

from capsight.learning.run import Run
from capsight.learning.training import read_history
from capsight.learning.trainings import why_it_ended

POLL = 0.5  # seconds between two looks at a trial
GRACE = 10  # seconds that a trial has to end by itself, before it is killed


def run_process(command: Sequence[str], folder: Path, lock, look: Callable[[], bool]) -> tuple[bool, str | None]:
    """Run a trial; return whether it was stopped because `look` said so, and why it failed, if it did.

    The process holds `lock` too, and what it says goes to train.log. However this function is left, nothing that it
    started goes on.
    """
    log = folder / "train.log"
    with open(log, "a") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=[lock.fileno()],
            start_new_session=True,  # Ctrl-C is for the worker, and all that the trial starts can be stopped together
        )
    try:
        while True:
            with suppress(subprocess.TimeoutExpired):
                status = process.wait(POLL)
                look()  # at the last epochs; it is too late to stop
                return False, why_it_ended(log, status) if status else None
            if look():
                return True, None
    finally:
        _stop(process)


def epoch_scores(folder: Path) -> dict[int, float]:
    """Return `val_score` of each epoch of a run so far; {} where there is none yet."""
    try:
        history = read_history(Run(folder, None, None))
    except (OSError, ValueError, KeyError, pd.errors.ParserError):  # it is being written
        return {}
    return {int(row["epoch"]): float(row["val_score"]) for row in history if "val_score" in row}


def _stop(process: subprocess.Popen) -> None:
    """End a process and all of its session; first by asking."""
    for how, wait in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(wait)
    with suppress(ProcessLookupError, PermissionError):  # what the process itself left behind
        os.killpg(process.pid, signal.SIGKILL)
