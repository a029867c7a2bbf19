"""What machine this is and what it used: devices, threads, memory, versions, seeds."""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import platform
import resource
import sys
from typing import Literal

Dtype = Literal["auto", "float32", "bfloat16"]

PACKAGES = ("torch", "transformers", "peft", "accelerate", "faiss-cpu", "polars", "numpy")


def device_name() -> str:
    """Name the device that training will use: ``cuda``, ``mps`` or ``cpu``."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def resolve_dtype(dtype: Dtype) -> Literal["float32", "bfloat16"]:
    """Turn ``auto`` into the faster safe choice for this device.

    bfloat16 needs hardware for it: on a CPU without AMX or AVX512-BF16 it is emulated and was measured
    at less than half the speed of float32.
    """
    if dtype != "auto":
        return dtype
    import torch

    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    fast = bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())
    return "bfloat16" if fast else "float32"


def peak_memory_gib() -> float:
    """Return the largest resident size of this process so far, in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**3 if sys.platform == "darwin" else 1024**2)


def machine() -> dict[str, str | int]:
    """Describe the machine in the words a result file needs."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Return the installed versions of llmrec and of the packages that decide its numbers."""
    found = {}
    for name in ("llmrec", *PACKAGES):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch."""
    from transformers import set_seed

    set_seed(seed)


def _processor() -> str:
    try:
        with pathlib.Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        return names[0] if names else platform.processor()
    except OSError:
        return platform.processor()
