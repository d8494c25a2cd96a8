"""Work in a process of its own: with a time limit, a memory limit, and its peak memory measured.

A peer that hangs, crashes or eats the memory then costs one row and not the run. Processes are forked from a server
that has imported the libraries and done nothing else, so that each begins alike and within a fraction of a second.
"""

import ctypes
import gc
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

IMPORTED = (
    "capsight.cli",
    "capsight.data.audit",
    "capsight.explain",
    "capsight.inference",
    "pytorch_metric_learning.losses",
)
POLL = 0.05  # seconds between two looks at a process


class Failed(Exception):
    """The work came to no result; the message says why, in a few words."""


def apart(work: Callable, *arguments, limit_s: float, limit_mib: float | None = None) -> object:
    """Return work(*arguments), done in a process of its own; what goes in and out is pickled.

    Raises Failed where it raises, dies, takes longer than `limit_s` seconds or more memory than `limit_mib`.
    """
    context = _context()
    ours, its = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(its, work, arguments))
    process.start()
    its.close()
    try:
        answer, reason = _wait(process, ours, time.monotonic() + limit_s, limit_s, limit_mib)
    finally:
        process.kill()
        process.join()
    if reason:
        raise Failed(reason)
    return answer


def _context():
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    return context


def _wait(process, pipe, end: float, limit_s: float, limit_mib: float | None) -> tuple[object, str | None]:
    while not pipe.poll(POLL):
        if time.monotonic() > end:
            return None, f"takes more than {limit_s:.0f} s"
        if limit_mib and (used := memory(process.pid).get("VmRSS", 0)) > limit_mib:
            return None, f"needs more than the {used / 1024:.0f} GiB that are free"
    try:
        return pipe.recv()
    except EOFError:
        process.join()
        return None, f"died (exit status {process.exitcode})"


def _answer(pipe, work: Callable, arguments: tuple) -> None:
    with suppress(OSError):  # where memory runs out after all, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    warnings.simplefilter("ignore")
    try:
        pipe.send((work(*arguments), None))
    except Failed as error:
        pipe.send((None, str(error)))
    except Exception as error:
        line = str(error).strip().splitlines()[:1]
        pipe.send((None, " ".join([f"{type(error).__name__}:", *line])[:160]))


def peak(work: Callable[[], object]) -> tuple[float | None, float]:
    """Do the work; return the MiB by which the process grew at its peak, and the seconds.

    Peak resident memory minus that at the start, both as the kernel counts them (Linux only, else None).
    """
    gc.collect()
    with suppress(OSError, AttributeError):  # what was freed goes back, so that it is not taken again unseen
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before, start = memory(), time.perf_counter()
    kept = work()
    seconds, after = time.perf_counter() - start, memory()
    del kept
    return max(0.0, after["VmHWM"] - before["VmRSS"]) if after and before else None, seconds


def memory(process: int | str = "self") -> dict[str, float]:
    """Return VmRSS and VmHWM, the resident memory of a process now and at its peak, in MiB; {} where not known."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return {}
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.startswith(("VmRSS", "VmHWM"))}


def free_mib() -> float | None:
    """Return the memory that is free on this machine; None where not known."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("MemAvailable")), None)
