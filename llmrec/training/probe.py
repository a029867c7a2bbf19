"""Measure what a training would take by some steps of it: time, and memory by part. Nothing of it stays."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import psutil
import torch

from llmrec.config import TrainConfig
from llmrec.runtime import device_name, free_bytes, measured
from llmrec.training.activations import moved, noted_activations
from llmrec.training.batching import Batch
from llmrec.training.catalog_softmax import positions_at_once
from llmrec.training.checkpoints import NamedTensors
from llmrec.training.job import TrainingJob
from llmrec.training.plan import Plan
from llmrec.training.progress import Progress
from llmrec.training.trainer import train

TIMED_BATCHES, WARM_BATCHES = 20, 3
# What of the free memory a batch may take: the rest is for what no batch of the probe met.
USABLE = 0.9


class Timing(NamedTuple):
    """Seconds of training: until the first batch is on its way, of a batch, and of saving an epoch's end."""

    start: float
    batch: float
    save: float


@dataclass(frozen=True)
class Measurement:
    """What the probe measured, from ``began`` (monotonic clock) on.

    ``tokens``: an epoch's, estimated. ``memory``: bytes by part, estimated from shapes. ``largest_batch``: in
    positions with padding. ``before``: bytes in use before training, weights among them, of the device that
    trains; ``needed``: what training took beyond that; ``free``: what was free then.
    """

    began: float
    n_parameters: int
    n_trained: int
    n_batches: int
    tokens: int
    timing: Timing
    validation_seconds: float
    memory: Mapping[str, int]
    largest_batch: int
    before: int
    needed: int
    free: int

    @property
    def batch_tokens(self) -> int:
        """The ``train.batch_tokens`` that fit into the free memory, to the hundred, at most an epoch."""
        fixed = self.memory["gradients"] + self.memory["optimizer"]
        of_batch = max(self.needed - fixed, self.memory["activations"], 1)
        most = USABLE * (self.free - fixed) * self.largest_batch / of_batch
        return max(min(int(most), self.tokens) // 100 * 100, 0)


class ProbeOver(Exception):
    """Ends a fit once its training has been measured; holds what was."""

    def __init__(self, measurement: Measurement) -> None:
        super().__init__("the probe is over")
        self.measurement = measurement


def probe(
    network: torch.nn.Module, job: TrainingJob, *, settings: TrainConfig, groups: list[dict[str, Any]], seed: int
) -> NoReturn:
    """Train on a few batches of the first epoch, the largest of all and some of every size, and validate once.

    Raises ProbeOver with the measurement.
    """
    if device_name() == "cuda":
        torch.cuda.reset_peak_memory_stats()
    began, free, there = time.monotonic(), free_bytes(), _used_bytes()
    batches = sorted(job.plan.epoch(0), key=_padded_items)
    sample = _sizes(batches, math.ceil(TIMED_BATCHES / settings.accumulation) * settings.accumulation)
    with measured(every=0.02) as spent:
        timing = _timed(network, job, batches[-1], sample, settings=settings, groups=groups, seed=seed)
    peak = torch.cuda.max_memory_allocated() if device_name() == "cuda" else int(spent.peak_memory_gib * 2**30)
    validating = time.monotonic()
    if job.validate is not None:
        job.validate()
    validation_seconds = time.monotonic() - validating
    parameters, largest = list(network.parameters()), job.collate(batches[-1])
    trained = [value for value in parameters if value.requires_grad]
    tokens = sum(int(job.collate(batch)["n_tokens"]) for batch in sample) / len(sample)
    measurement = Measurement(
        began=began,
        n_parameters=sum(value.numel() for value in parameters),
        n_trained=sum(value.numel() for value in trained),
        n_batches=len(batches),
        tokens=round(tokens * len(batches)),
        timing=timing,
        validation_seconds=validation_seconds,
        memory={
            "frozen weights": _bytes_of([*(set(parameters) - set(trained)), *network.buffers()]),
            "trained weights": _bytes_of(trained),
            "gradients": _bytes_of(trained),
            "optimizer": 2 * _bytes_of(trained),  # AdamW holds two means of each
            "activations": activation_bytes(network, largest),
            "logits": _logit_bytes(network, largest),
        },
        largest_batch=_positions(largest),
        before=there,
        needed=max(peak - there, 0),
        free=free,
    )
    raise ProbeOver(measurement)


def _sizes(batches: list[Batch], n: int) -> list[Batch]:
    """Return so many batches of all sizes, of batches sorted by size: their mean is that of all."""
    return [batches[int((i + 0.5) / n * len(batches))] for i in range(n)]


def _timed(
    network: torch.nn.Module,
    job: TrainingJob,
    largest: Batch,
    sample: list[Batch],
    *,
    settings: TrainConfig,
    groups: list[dict[str, Any]],
    seed: int,
) -> Timing:
    """Train on the largest batch, which shows the peak of memory, and on the sample, which is timed."""
    warm = math.ceil(WARM_BATCHES / settings.accumulation) * settings.accumulation
    batches = [replace(batch, epoch=0) for batch in [largest] * warm + sample]
    once = settings.model_copy(update={"epochs": 1, "max_minutes": None})
    clock, began = _Clock(), time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        few = TrainingJob(Plan.of(batches), job.collate, None, Path(folder), clock)
        train(network, few, settings=once, groups=groups, seed=seed)
        ended = time.monotonic()
    times = clock.times
    first = times[0] - began - (times[1] - times[0])
    return Timing(max(first, 0.0), (times[-1] - times[warm - 1]) / len(sample), ended - times[-1])


def activation_bytes(network: torch.nn.Module, tensors: NamedTensors) -> int:
    """Return how many bytes a forward pass of a batch holds for the gradient, besides the weights."""
    network.train()
    with noted_activations(network) as sizes:
        network(**moved(tensors, device_name()))
    return sum(sizes)


class _Clock(Progress):
    """Notes when each batch was done, and shows nothing."""

    def __init__(self) -> None:
        super().__init__("probe", shown=False)
        self.times = list[float]()

    def step(self, step: int, *, loss: float, tokens_per_second: float) -> None:
        """One batch is done; its loss has been read, so that a GPU is done, too."""
        self.times.append(time.monotonic())

    def epoch(self, row: dict[str, Any]) -> None:
        """The probe is done."""


def _padded_items(batch: Batch) -> int:
    lengths = batch.windows[:, 2] - batch.windows[:, 1]
    return int(lengths.max() + 1) * len(lengths)


def _positions(tensors: NamedTensors) -> int:
    """Count the positions of a batch with padding, as ``train.batch_tokens`` does."""
    if "tokens" in tensors:
        return tensors["tokens"].numel()
    n, length = tensors["inputs"].shape
    return n * (length + 1)


def _logit_bytes(network: torch.nn.Module, tensors: NamedTensors) -> int:
    """Estimate the logits that are held at once, beside what activations count: those of a part of the catalog."""
    bias, targets = getattr(network, "bias", None), tensors.get("targets")
    if not isinstance(bias, torch.Tensor) or targets is None or hasattr(network, "log_q"):
        return 0
    rows = positions_at_once(bias.device.type, len(bias))
    return 4 * len(bias) * min(rows, int((targets >= 0).sum()))


def _bytes_of(tensors: Iterable[torch.Tensor]) -> int:
    return sum(value.numel() * value.element_size() for value in tensors)


def _used_bytes() -> int:
    return torch.cuda.memory_allocated() if device_name() == "cuda" else psutil.Process().memory_info().rss
