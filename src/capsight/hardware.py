"""What the machine can do: where to compute, and in which precision."""

from contextlib import AbstractContextManager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

from capsight.errors import UserError


def device() -> torch.device:
    """Return the accelerator where there is one, else the CPU."""
    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")


def has_bfloat16() -> bool:
    """Tell whether bfloat16 is fast here, and not merely emulated."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device().type == "cpu" and cpu_has_bfloat16()


def cpu_has_bfloat16() -> bool:
    """Tell whether the CPU computes in bfloat16, whatever accelerator there is beside it."""
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def use_bfloat16(precision: str) -> bool:
    """Decide on bfloat16: `auto` takes it where the hardware has it, `bf16` and `fp32` are orders."""
    if precision not in ("auto", "bf16", "fp32"):
        raise UserError(f"precision={precision!r} is not known; choose auto, bf16 or fp32.")
    return precision == "bf16" or (precision == "auto" and has_bfloat16())


def autocast(precision: str) -> torch.autocast:
    """Return the context in which networks run."""
    return torch.autocast(device().type, dtype=torch.bfloat16, enabled=use_bfloat16(precision))


def one_thread() -> AbstractContextManager:
    """Return the context in which BLAS and OpenMP compute in the calling thread alone.

    For small sums beside other work: the threads that help with one go on spinning after it, and take the cores away.
    """
    return _pools().limit(limits=1)


@cache  # looking for the pools takes longer than a small sum
def _pools() -> ThreadpoolController:
    return ThreadpoolController()
