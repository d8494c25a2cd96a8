"""What the numbers were measured on, in words: no names and no paths."""

import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = (
    "capsight",
    "torch",
    "torchvision",
    "numpy",
    "scikit-learn",
    "pytorch-metric-learning",
    "grad-cam",
    "captum",
    "torch-uncertainty",
    "onnxruntime",
    "openvino",
)
TELLING = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile")  # what decides over bf16 and int8


def facts() -> dict:
    """Return cores, memory, load, system and versions."""
    processor = _read("/proc/cpuinfo", "model name") or platform.processor() or platform.machine()
    flags = set((_read("/proc/cpuinfo", "flags") or "").split())
    memory = _read("/proc/meminfo", "MemTotal")
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return {
        "processor": processor,
        "instructions": [flag for flag in TELLING if flag in flags],
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(int(memory.split()[0]) / 2**20) if memory else None,
        "load_at_start": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "versions": versions,
    }


def _read(file: str, key: str) -> str | None:
    """Return the first value of a key in a file of lines "key : value"."""
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.split(":")[0].strip() == key), None)
