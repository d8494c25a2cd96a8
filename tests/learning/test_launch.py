from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from capsight.cli import LAUNCHED, _tell
from capsight.errors import UserError
from capsight.learning import launch
from capsight.learning.launch import BROKEN, cores, count_devices, on_every_device


@pytest.mark.parametrize("wanted", [0, -2, 1.5, True, [0, 1], "two", None])
def test_a_number_of_devices_that_there_cannot_be(wanted):
    with pytest.raises(UserError, match=r"trainer\.devices=.* is not possible; it is a whole number from 1, or auto"):
        count_devices(wanted, "cpu")


def test_more_devices_than_there_are():
    assert count_devices(cores(), "cpu") == cores()
    with pytest.raises(UserError, match=rf"trainer\.devices=999, but this machine has {cores()} CPU core"):
        count_devices(999, "cpu")


def test_more_gpus_than_there_are(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    with pytest.raises(UserError, match=r"trainer\.devices=2, but this machine has 1 CUDA device; give 1 or fewer"):
        count_devices(2)
    assert count_devices("auto") == 1
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 8)
    assert (count_devices("auto"), count_devices(-1), count_devices(3)) == (8, 8, 3)


def test_who_began_the_processes_says_how_many_they_are(monkeypatch):
    launched = SimpleNamespace(world_size=lambda: 8)
    monkeypatch.setenv("SLURM_NNODES", "2")
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert [count_devices(wanted, "cpu", launched) for wanted in (1, 4, "auto")] == [4, 4, 4]
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert count_devices(1, "cpu", launched) == 8
    with pytest.raises(UserError, match=r"trainer\.devices=3, but 8 processes were begun"):
        count_devices(3, "cpu", launched)


def test_a_lesson_is_taught_by_one_process():
    config = OmegaConf.create({"lesson": {"name": "mlp"}, "trainer": {"devices": 2, "accelerator": "cpu"}})
    with pytest.raises(UserError, match="one process" if cores() > 1 else "this machine has 1 CPU core"):
        on_every_device(lambda _: None)(config)


@pytest.fixture
def failed(tmp_path, monkeypatch):
    """Make the error of a launch in which processes failed: (rank, exit status, what it said)."""

    def fail(*processes):
        failures = {}
        for rank, status, said in processes:
            file = tmp_path / str(rank)
            monkeypatch.setenv(LAUNCHED, "1")
            monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
            if said:
                _tell(said)
            failures[rank] = ProcessFailure(rank, 4711 + rank, status, str(file))
        return ChildFailedError("train.py", failures)

    return fail


@pytest.mark.parametrize(
    ("processes", "told"),
    [
        (
            [(0, 1, f"{BROKEN}; …"), (1, -9, None)],
            "process 2 of 2 was ended by SIGKILL, as the system does where memory",
        ),
        ([(0, 1, f"{BROKEN}; …"), (1, 1, "the disk is full")], "the disk is full"),
        ([(0, 1, "the disk is full"), (1, 1, None)], "the disk is full"),
        ([(1, 1, None)], "process 2 of 2 ended with an error of the program, see above"),
        ([(0, -11, None), (1, -15, None)], "process 1 of 2 was ended by SIGSEGV; go on"),
    ],
)
def test_one_line_for_all(failed, processes, told):
    assert launch._why(failed(*processes), 2).startswith(told)


def test_a_broken_connection_is_told_from_other_errors():
    assert launch._is_broken(RuntimeError("[…/gloo/transport/tcp/pair.cc:553] Connection closed by peer"))
    assert launch._is_broken(torch.distributed.DistBackendError("NCCL error in: …"))
    assert not launch._is_broken(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
