"""The machine and what a run uses of it: device, dtype, memory, time, versions, seeds."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import psutil

from llmrec.errors import MissingExtra, RecipeError

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
    at less than half the speed of float32. Raises RecipeError for bfloat16 on a card without it.
    """
    if dtype == "float32":
        return dtype
    import torch

    if torch.cuda.is_available():
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bfloat16"
        if dtype == "bfloat16":
            name = torch.cuda.get_device_name()
            raise RecipeError(f"backbone.dtype=bfloat16: {name} has no bfloat16; set backbone.dtype=float32")
        return "float32"
    if dtype == "bfloat16":
        return dtype
    fast = bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())
    return "bfloat16" if fast else "float32"


def compute_on_one_thread() -> None:
    """Let PyTorch, if it is there, compute on one thread from now on; for threads that have not computed yet."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def peak_memory_gib() -> float:
    """Return the largest resident size of this process so far, in GiB."""
    if sys.platform == "win32":
        return float(psutil.Process().memory_info().peak_wset / 1024**3)
    import resource  # which Windows lacks

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**3 if sys.platform == "darwin" else 1024**2)


def free_bytes() -> int:
    """Return how much memory is free on the device that trains."""
    import torch

    return torch.cuda.mem_get_info()[0] if device_name() == "cuda" else psutil.virtual_memory().available


@dataclass
class Spent:
    """What a block of code took; filled in when it ends."""

    seconds: float = 0.0
    peak_memory_gib: float = 0.0


@contextmanager
def measured(*, every: float = 0.1) -> Iterator[Spent]:
    """Measure a block: wall seconds, and the largest resident size of the process while it ran.

    The size is sampled ``every`` seconds: the system's peak is that since the process began.
    """
    spent, over, process = Spent(), threading.Event(), psutil.Process()

    def sample() -> None:
        while True:
            spent.peak_memory_gib = max(spent.peak_memory_gib, process.memory_info().rss / 1024**3)
            if over.wait(every):
                return

    sampler = threading.Thread(target=sample, daemon=True)
    began = time.monotonic()
    sampler.start()
    try:
        yield spent
    finally:
        over.set()
        sampler.join()
        spent.seconds = time.monotonic() - began


def extra(module: str, name: str) -> Any:
    """Import a module of an optional dependency. Raises MissingExtra with the command to install it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        raise MissingExtra(f"{package} is not installed: pip install 'llmrec[{name}]'") from error


def machine() -> dict[str, str | int]:
    """Describe the machine for result files and manifests."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "python": platform.python_version(),
        **_gpu(),
    }


def versions() -> dict[str, str]:
    """Return the installed versions of llmrec and of the packages that decide its numbers."""
    installed = {name: _installed(name) for name in ("llmrec", *PACKAGES)}
    return {name: version for name, version in installed.items() if version is not None}


@cache  # a run's manifest has them, and to read a package's metadata takes milliseconds
def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def provenance() -> dict[str, dict[str, str] | dict[str, str | int]]:
    """Return the machine and the versions that stand in every result.

    >>> sorted(provenance())
    ['machine', 'versions']
    """
    return {"machine": machine(), "versions": versions()}


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch."""
    from transformers import set_seed

    set_seed(seed)


@contextmanager
def matmul_precision(name: Literal["highest", "high", "medium"]) -> Iterator[None]:
    """Set PyTorch's ``set_float32_matmul_precision`` for a block, and restore it."""
    import torch

    previous = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(name)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(previous)


def _gpu() -> dict[str, str]:
    """Name the graphics card, CUDA and the driver, where PyTorch sees one and is already imported."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return {}
    driver = Path("/proc/driver/nvidia/version")
    words = driver.read_text(encoding="utf-8").split() if driver.is_file() else []
    version = next((word for word in words if word.count(".") == 2 and word[0].isdigit()), None)
    gpu = {"gpu": torch.cuda.get_device_name(), "cuda": str(torch.version.cuda)}
    return gpu | ({"driver": version} if version else {})


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
