"""Trainings in two processes, by the real commands."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch

from capsight.learning.launch import cores
from capsight.learning.run import read_run

from .conftest import REPOSITORY, SMALL, arguments

two_cores = pytest.mark.skipif(cores() < 2, reason="one CPU core: there are no two devices")


def children(process: subprocess.Popen) -> list[int]:
    """The processes that a launcher began."""
    tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def wait_for(happened, what: str, seconds: float = 240) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@two_cores
def test_a_process_that_dies_ends_the_others_and_the_run_goes_on_with_one(training, run_dir, tmp_path):
    folder = tmp_path / "killed"
    process = training(folder, trainer="ddp", report="false", **{"trainer.devices": 2})
    wait_for(lambda: (folder / "checkpoints" / "last.ckpt").exists() or process.poll() is not None, "no epoch ended")
    workers = children(process)
    os.kill(workers[1], signal.SIGKILL)
    out, err = process.communicate(timeout=60)  # within a minute
    assert process.returncode == 1
    errors = [line for line in err.splitlines() if not line.startswith("epoch ")]
    assert errors[-1].startswith("error: process 2 of 2 was ended by SIGKILL") and "resume=auto" in errors[-1]
    assert "Traceback" not in err
    assert not any(is_alive(pid) for pid in workers)
    assert not (folder / "metrics.json").exists()

    resumed = training(folder, resume="auto", report="false")
    _, err = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, err
    reached = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)["epoch"]
    assert reached == int(SMALL["trainer.max_epochs"]) - 1
    manifest, predictions = (pd.read_parquet(folder / f"{name}.parquet") for name in ("manifest", "predictions"))
    assert predictions["path"].tolist() == manifest.loc[manifest["split"] == "test", "path"].tolist()


@two_cores
def test_processes_end_with_their_launcher(training, run_dir, tmp_path):
    folder = tmp_path / "orphans"
    process = training(folder, trainer="ddp", **{"trainer.devices": 2, "trainer.max_epochs": 500})
    wait_for(lambda: (folder / "checkpoints" / "last.ckpt").exists() or process.poll() is not None, "no epoch ended")
    workers = children(process)
    assert len(workers) == 2
    process.kill()
    wait_for(lambda: not any(is_alive(pid) for pid in workers), "the processes train on", seconds=60)
    process.communicate()


def test_torchrun_makes_one_run_whose_numbers_are_those_of_one_process(run_dir, command, tmp_path):
    """Where no folder is given, it is named after the time, which each process would read for itself."""
    small = {name: value for name, value in SMALL.items() if name != "trainer.max_epochs"}
    root = read_run(run_dir).config.data.root
    line = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    line += [str(REPOSITORY / "scripts" / "train.py"), "experiment=demo", *arguments(small)]
    line += [f"data.root={root}", "trainer.max_epochs=1", "report=false"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs" / "phantom").iterdir()
    manifest, predictions = (pd.read_parquet(folder / f"{name}.parquet") for name in ("manifest", "predictions"))
    assert predictions["path"].tolist() == manifest.loc[manifest["split"] == "test", "path"].tolist()

    alone = {"out": tmp_path / "alone", "workers": 0, "trust.passes": 5}
    status, _, err = command("evaluate.py", run=folder, **alone)
    assert status == 0, err
    alone, together = (json.loads((at / "metrics.json").read_text()) for at in (tmp_path / "alone", folder))
    assert alone == together
