"""Every method in two processes that train together; all in one pair, since starting one takes most of the time."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from capsight.adaptation.methods import METHODS

WORKER = Path(__file__).with_name("ddp_worker.py")
TRIED = [*METHODS, "together"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each of the two processes kept, or what they said."""
    folder = tmp_path_factory.mktemp("ddp")
    logs = [folder / f"{rank}.log" for rank in (0, 1)]
    processes = []
    for rank, log in enumerate(logs):
        with log.open("w") as file:
            command = [sys.executable, str(WORKER), str(rank), str(folder)]
            processes.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT))
    try:
        statuses = [process.wait(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert statuses == [0, 0], "\n".join(log.read_text()[-3000:] for log in logs)
    return [torch.load(folder / f"{rank}.pt") for rank in (0, 1)]


@pytest.mark.parametrize("task", ["multilabel", "exclusive"])
@pytest.mark.parametrize("name", TRIED)
def test_two_processes_learn_the_same(results, name, task):
    first, second = (result[name, task] for result in results)
    assert first["losses"].isfinite().all() and second["losses"].isfinite().all()
    assert not torch.equal(first["losses"], second["losses"])  # each has frames of its own
    for key, weight in first["after"].items():
        assert weight.isfinite().all() and torch.equal(weight, second["after"][key]), key
        assert not torch.equal(weight, first["before"][key]), key


def test_all_were_tried(results):
    assert {name for name, _ in results[0]} == {*TRIED}
