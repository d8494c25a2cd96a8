"""The processes that train together, one per device: who they are, and how they meet, agree and join what they have.

A process that trains alone is the first of one; everything here then does nothing.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TypeVar

import torch
from lightning_fabric.plugins.environments import ClusterEnvironment, SLURMEnvironment, TorchElasticEnvironment
from torch import Tensor, distributed, nn

from capsight.errors import UserError

T = TypeVar("T")
# How long the others wait while the first one draws frames or adapts. A process that dies is noticed at once.
PATIENCE = timedelta(hours=1)


def launched_by() -> ClusterEnvironment | None:
    """Return what began this process as one of several: torchrun or SLURM; None where it is alone."""
    if TorchElasticEnvironment.detect():
        launched = TorchElasticEnvironment()
    elif int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:  # srun sets it; a batch script without srun is one process
        try:
            launched = SLURMEnvironment(auto_requeue=False)  # a job that is requeued goes on from its last epoch
        except RuntimeError as error:
            raise UserError(f"SLURM: {error}") from None
    else:
        return None
    return launched if launched.world_size() > 1 else None


def meet(accelerator: str = "auto") -> None:
    """Connect with the other processes; Lightning uses this connection too, and reads from its name what it can do."""
    launched = launched_by()
    if launched is None or distributed.is_initialized():
        return
    os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"] = launched.main_address, str(launched.main_port)
    on_gpus = accelerator != "cpu" and torch.cuda.is_available()
    if on_gpus:
        torch.cuda.set_device(launched.local_rank() % torch.cuda.device_count())
    if isinstance(launched, TorchElasticEnvironment):
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpus else "gloo",
        rank=launched.global_rank(),
        world_size=launched.world_size(),
        timeout=PATIENCE,
    )


def part() -> None:
    """Close the connection; only where all went well, as a failed process must not wait for others."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _end_with(parent: int) -> None:
    """End this process when its launcher is gone: it would train on, unseen, in a run that is begun again."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def place() -> tuple[int, int]:
    """Return (rank, number of processes): (0, 1) for a process that is alone."""
    return (distributed.get_rank(), distributed.get_world_size()) if distributed.is_initialized() else (0, 1)


def is_first() -> bool:
    """Tell whether this is the process that writes files."""
    return place()[0] == 0


def agree(value: T) -> T:
    """Return the first process's value in all of them."""
    box = [value]
    if place()[1] > 1:
        distributed.broadcast_object_list(box)
    return box[0]


def first(work: Callable[[], T]) -> T:
    """Let the first process do `work` while the others wait; all return what it returned.

    What it raises as a UserError ends all of them; the others leave the telling to it.
    """
    if place()[1] == 1:
        return work()
    done, problem = None, None
    if is_first():
        try:
            done = work()
        except UserError as error:
            problem = error
    done, failed = agree((done, problem is not None))
    if problem:
        raise problem
    if failed:
        raise SystemExit(1)
    return done


def gather(value: T) -> list[T]:
    """Return what each process has, in the order of their ranks."""
    world = place()[1]
    values = [value] * world
    if world > 1:
        distributed.all_gather_object(values, value)
    return values


def join_rows(rows: Tensor) -> Tensor:
    """Join the rows (B, ...) of all processes, whose B may differ, in the order of their ranks.

    Gradients flow back to each process's own rows, times the number of processes: if all work out the same loss from
    the joined rows, and DistributedDataParallel averages their gradients, then these are the gradients of that loss.
    """
    return _JoinedRows.apply(rows) if place()[1] > 1 else rows


class _JoinedRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rows: Tensor) -> Tensor:
        rank, world = place()
        sizes = _sizes(rows, world)
        padded = rows.new_zeros(max(sizes), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in range(world)]
        distributed.all_gather(parts, padded)
        ctx.start, ctx.size, ctx.world = sum(sizes[:rank]), len(rows), world
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient[ctx.start : ctx.start + ctx.size] * ctx.world


def _sizes(rows: Tensor, world: int) -> Sequence[int]:
    sizes = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(world)]
    distributed.all_gather(sizes, torch.tensor([len(rows)], device=rows.device))
    return torch.cat(sizes).tolist()


def same_buffers(module: nn.Module) -> None:
    """Give every process the first one's buffers: without synchronised batch normalisation their statistics differ."""
    if place()[1] > 1:
        for buffer in module.buffers():
            distributed.broadcast(buffer, 0)
