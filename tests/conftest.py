"""Fixtures that several test folders share."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

# One thread each: test processes share the cores, and a sum is rounded alike in each of them and in their children.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public frames, which is never part of the repository."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the public frames (../shared/data) are not here")
    return folder


@pytest.fixture(scope="session")
def two_processes() -> Callable[[Path, Path], list[dict]]:
    """Run `worker RANK FOLDER` as ranks 0 and 1: return what each kept in FOLDER/RANK.pt, or fail."""

    def run(worker: Path, folder: Path) -> list[dict]:
        logs = [folder / f"{rank}.log" for rank in (0, 1)]
        processes = []
        for rank, log in enumerate(logs):
            with log.open("w") as file:
                command = [sys.executable, str(worker), str(rank), str(folder)]
                processes.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT))
        try:
            statuses = [process.wait(timeout=300) for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
        assert statuses == [0, 0], "\n".join(log.read_text()[-3000:] for log in logs)
        return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]

    return run
