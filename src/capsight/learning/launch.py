"""Several processes for one training: `trainer.devices=N` begins them here, torchrun and SLURM begin them elsewhere."""

import functools
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from capsight.cli import LAUNCHED, own_config_dir
from capsight.errors import UserError
from capsight.learning import ranks

BROKEN = "another process of this training has ended, and this one cannot go on alone"


def on_every_device(work: Callable[[DictConfig], None]) -> Callable[[DictConfig], None]:
    """Turn `work(config)` into what runs in as many processes as trainer.devices says, or as torchrun or SLURM began.

    Raises UserError where the machine does not have the devices, and where one of the processes fails or is killed: the
    others are ended too, within seconds.
    """

    @functools.wraps(work)
    def run(config: DictConfig) -> None:
        launched = ranks.launched_by()
        devices = count_devices(config.trainer.get("devices", 1), config.trainer.get("accelerator", "auto"), launched)
        if config.get("lesson") and devices > 1:
            raise UserError("a lesson is taught by one process; give trainer.devices=1.")
        if launched is None and devices > 1:
            _launch(devices)
            return
        try:
            ranks.meet(config.trainer.get("accelerator", "auto"))
            work(config)
            ranks.part()
        except RuntimeError as error:
            if launched and _is_broken(error):
                raise UserError(f"{BROKEN}; go on with resume=auto.") from error
            raise

    return run


def count_devices(wanted, accelerator: str = "auto", launched=None) -> int:
    """Return how many processes of this machine train. Raises UserError where it has fewer devices than are wanted."""
    if not (wanted in ("auto", -1) or (isinstance(wanted, int) and not isinstance(wanted, bool) and wanted >= 1)):
        raise UserError(
            f"trainer.devices={wanted} is not possible; it is a whole number from 1, or auto for all there are. Which "
            "ones they are is up to CUDA_VISIBLE_DEVICES."
        )
    if launched:
        here = local_world(launched)
        if wanted not in ("auto", -1, 1, here):
            raise UserError(f"trainer.devices={wanted}, but {here} processes were begun on this machine; leave it out.")
        return here
    on_cpu = accelerator == "cpu" or not torch.accelerator.is_available()
    there = cores() if on_cpu else torch.accelerator.device_count()
    if wanted in ("auto", -1):
        return 1 if on_cpu else there
    if wanted > there:
        kind = "CPU core" if on_cpu else f"{torch.accelerator.current_accelerator().type.upper()} device"
        raise UserError(
            f"trainer.devices={wanted}, but this machine has {there} {kind}{'s' * (there != 1)}; give {there} or fewer."
        )
    return wanted


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local_world(launched) -> int:
    """Return how many of the processes are on this machine."""
    if "LOCAL_WORLD_SIZE" in os.environ:
        return int(os.environ["LOCAL_WORLD_SIZE"])
    return launched.world_size() // int(os.environ.get("SLURM_NNODES", 1))


def _launch(devices: int) -> None:
    """Run this command again, once for each device, all in the run folder that was decided here."""
    hydra = HydraConfig.get()
    folder = QuotedString(str(Path(hydra.runtime.output_dir).resolve()), Quote.single).with_quotes()
    command = [sys.argv[0], *own_config_dir(), *hydra.overrides.task, f"run_dir={folder}"]
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # what went wrong is told below
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // devices)))
    os.environ[LAUNCHED] = "1"
    with tempfile.TemporaryDirectory() as errors:
        settings = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=devices,
            run_id="capsight",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=errors),
        )
        try:
            elastic_launch(settings, sys.executable)("-u", *command)
        except ChildFailedError as error:
            raise UserError(_why(error, devices)) from None
        except SignalException as error:
            sys.exit(128 + error.sigval)
        finally:
            del os.environ[LAUNCHED]


def _why(error: ChildFailedError, devices: int) -> str:
    """Say in one line what ended the processes: what one of them said of itself before what the others saw of it."""
    for rank, failure in error.failures.items():
        if failure.exitcode < 0 and -failure.exitcode != signal.SIGTERM:
            name = signal.Signals(-failure.exitcode).name
            memory = ", as the system does where memory runs out" if name == "SIGKILL" else ""
            return f"process {rank + 1} of {devices} was ended by {name}{memory}; go on with resume=auto."
    told = [failure for failure in error.failures.values() if Path(failure.error_file).is_file()]
    said = sorted((failure.message for failure in told), key=lambda line: line.startswith(BROKEN))
    first = next(iter(error.failures))
    return said[0] if said else f"process {first + 1} of {devices} ended with an error of the program, see above."


def _is_broken(error: RuntimeError) -> bool:
    """Tell whether torch complains about the connection to another process."""
    return isinstance(error, torch.distributed.DistError) or any(
        part in str(error) for part in ("gloo/", "Connection closed by peer", "NCCL error", "Connection reset")
    )
