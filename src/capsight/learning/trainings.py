"""Runs trainings as processes of their own, several at a time; what is done is not done again."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from omegaconf import DictConfig

from capsight.cli import own_config_dir
from capsight.errors import UserError
from capsight.files import write_json
from capsight.learning.grid import Training
from capsight.learning.run import changed_settings, flat_settings, read_config
from capsight.progress import track

TRAIN = Path(__file__).parents[3] / "scripts" / "train.py"
OWN = {"seed", "start", "data.split.source", "data.split.target", "data.split.labelled"}  # what the grid varies


@contextmanager
def alone(out: Path):
    """Hold `out` against a second grid; give the file whose holders are all at work there."""
    out.mkdir(parents=True, exist_ok=True)
    with open(out / ".at_work", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"another grid, or a training that it left, is at work in {out}; wait, or stop it."
            ) from None
        yield lock


def is_done(out: Path, training: Training) -> bool:
    """Tell whether a run is complete: its metrics are written last."""
    return (out / training.folder / "metrics.json").is_file()


def check_done(out: Path, training: Training, config: DictConfig) -> None:
    """Raise UserError where a run is complete, and was trained with other settings than it would be now.

    config: that of scripts/train.py now, for this training or another of the same method, loss and variant.
    """
    if not is_done(out, training):
        return
    folder = out / training.folder
    then, now = flat_settings(read_config(folder / "config.yaml")), flat_settings(config)
    both = (then.keys() & now.keys()) - OWN  # a setting that there was not yet cannot have been another
    if changed := changed_settings(*({name: of[name] for name in both} for of in (then, now))):
        raise UserError(
            f"{folder} was trained with other settings ({', '.join(changed)}); use the same, or change out."
        )


def finished_cells(out: Path) -> list[dict]:
    """Return what the finished runs with a target below `out` are, of this grid and of earlier ones."""
    files = sorted((out / "cells").glob("**/cell.json"))
    return [_read_cell(file) for file in files if file.with_name("metrics.json").is_file()]


def _read_cell(file: Path) -> dict:
    try:
        cell = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        cell = None
    if not isinstance(cell, dict):
        raise UserError(f"{file} is damaged; delete its folder, and begin the grid again.")
    return cell


def run_trainings(
    trainings: Sequence[Training],
    out: Path,
    *,
    shared: Sequence[str],
    adapting: Sequence[str],
    jobs: int,
    lock,
    what: str,
) -> dict[Training, str]:
    """Run those that are not done yet, `jobs` at a time; return the last line of each that failed.

    shared: settings of all of them. lock: an open file that every process inherits, so that a grid that is begun again
    knows of those which a killed one left.
    """
    missing = [training for training in trainings if not is_done(out, training)]
    failed = {}
    with ThreadPoolExecutor(jobs) as pool:
        started = {pool.submit(_train, one, out, [*shared, *one.settings(out, adapting)], lock): one for one in missing}
        try:
            for future in track(as_completed(started), what, total=len(missing)) if missing else ():
                if line := future.result():
                    failed[started[future]] = line
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def _train(training: Training, out: Path, settings: list[str], lock) -> str | None:
    folder = out / training.folder
    folder.mkdir(parents=True, exist_ok=True)
    if training.target:
        write_json(training.cell(), folder / "cell.json")
    log = folder / "train.log"
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))}
    with open(log, "w") as said:
        line = [sys.executable, str(TRAIN), *own_config_dir(), *settings, "resume=auto"]
        status = subprocess.run(
            line, stdout=said, stderr=said, pass_fds=[lock.fileno()], env={**threads, **os.environ}, check=False
        ).returncode
    if status == 0 and is_done(out, training):
        (folder / "checkpoints" / "last.ckpt").unlink(missing_ok=True)  # the state to go on from: three times the model
        return None
    return why_it_ended(log, status)


def why_it_ended(log: Path, status: int) -> str:
    """Say why a process failed: the error that it told the user, or else its status and its last line."""
    last = next(reversed(log.read_text(errors="replace").strip().splitlines()), "")
    if last.startswith("error: "):
        return f"{last.removeprefix('error: ')} ({log})"
    return f"it ended with status {status}{f', after the line: {last}' if last else ''} ({log})"  # -9: out of memory
