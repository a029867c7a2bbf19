"""Say before the first step about how long a training takes and how much memory, by passes over a few windows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple, NoReturn

import torch

from llmrec.config import TrainConfig
from llmrec.runtime import device_name, free_bytes
from llmrec.training.activations import moved, noted_activations
from llmrec.training.batching import Batch
from llmrec.training.distributed import random_states, set_random_states, size
from llmrec.training.job import TrainingJob
from llmrec.training.progress import LONG_MINUTES
from llmrec.training.schedule import is_open_ended

# A training of fewer operations, counted by its sizes alone, is over before a forecast would be worth its time.
LEAST_OPERATIONS = 2e12
# Passes are made over more and more windows of a batch, until one takes so long.
ENOUGH_SECONDS, TIMES_MORE = 0.25, 4
# What other work takes of a processor only ever adds: each is repeated so often, within so many seconds, and the
# quickest counts.
REPEATS, REPEAT_SECONDS = 3, 1.0
# Of a training that ends where nothing improves ``train.epochs`` is a bound; most are over after so many.
LIKELY_EPOCHS = 30
# AdamW and the norm of the gradients, for each trained number; both were measured on a CPU.
STEP_SECONDS = {"cpu": 5e-9}


class Forecast(NamedTuple):
    """About what a training takes: seconds of an epoch, without validation, and bytes beyond what is in use."""

    epoch_seconds: float
    needed: int
    free: int


class ForecastOver(Exception):
    """Ends a fit once its training has been forecast, None where it is one of seconds; holds its settings, too."""

    def __init__(self, forecast: Forecast | None, settings: TrainConfig) -> None:
        super().__init__("the forecast is made")
        self.forecast, self.settings = forecast, settings


def forecast_only(
    network: torch.nn.Module, job: TrainingJob, *, settings: TrainConfig, groups: list[dict[str, Any]], seed: int
) -> NoReturn:
    """Forecast a training instead of doing it: a ``Recommender.probe``. Raises ForecastOver."""
    raise ForecastOver(None if is_light(network, job, settings) else forecast(network, job, settings), settings)


def announce(network: torch.nn.Module, job: TrainingJob, settings: TrainConfig, *, is_new: bool) -> None:
    """Show a forecast of a new training where somebody waits for it, and what to do where that is much."""
    if not is_new or not job.progress.shown or size() > 1 or is_light(network, job, settings):
        return
    one = forecast(network, job, settings)
    lines = [f"{job.progress.title}: {line}" for line in worded(one, settings)]
    for line in lines:
        job.progress.say(line)
    job.progress.warned = len(lines) > 1


def is_light(network: torch.nn.Module, job: TrainingJob, settings: TrainConfig) -> bool:
    """Whether a training is one of seconds, by its numbers of weights, positions and epochs."""
    n_weights = sum(value.numel() for value in network.parameters())
    positions = sum(map(_positions, job.plan.epoch(0)))
    return 6 * n_weights * positions * _epochs(settings) < LEAST_OPERATIONS


def forecast(network: torch.nn.Module, job: TrainingJob, settings: TrainConfig) -> Forecast:
    """Pass over some windows of a batch of the longest, there and back; weights and random states stay.

    A batch takes a fixed time and one for each position, as two passes over different numbers of windows say.
    """
    batches = job.plan.epoch(0)
    largest = max(batches, key=lambda batch: (_longest(batch), _positions(batch)))
    trained = [value for value in network.parameters() if value.requires_grad]
    free, passes = free_bytes(), list[tuple[int, float, int]]()
    with _unchanged(network):
        network.train()
        _pass(network, job, _first(largest, 1))  # the first of all is slow
        n = 1
        while True:
            part = _first(largest, n)
            passes.append((_positions(part), *_quickest(network, job, part)))
            if n == len(largest.windows) or (passes[-1][1] > ENOUGH_SECONDS and len(passes) > 1):
                break
            n = min(TIMES_MORE * n, len(largest.windows))
    n_bytes = sum(value.numel() * value.element_size() for value in trained)
    fixed, of_position = _line(passes)
    step = STEP_SECONDS.get(device_name(), 0.0) * sum(value.numel() for value in trained) / settings.accumulation
    positions, _, held = passes[-1]
    return Forecast(
        epoch_seconds=sum(fixed + step + of_position * _positions(batch) for batch in batches),
        needed=round(3 * n_bytes + held * max(map(_positions, batches)) / positions),
        free=free,
    )


def worded(one: Forecast, settings: TrainConfig) -> Iterator[str]:
    """Say a forecast in a line, and a line more for each thing to think about before it is spent."""
    minutes, most = likely_minutes(one, settings), settings.max_minutes
    besides = f"without validation, and {_size(one.needed)} of memory"
    if is_open_ended(settings):
        epoch = f"an epoch of training takes about {minutes_in_words(one.epoch_seconds / 60)}, {besides}"
        yield f"{epoch}; it ends where nothing improves, after {settings.epochs} epochs at the latest"
    else:
        yield f"training takes about {minutes_in_words(minutes)} for {settings.epochs} epochs, {besides}"
    if most is not None and most < one.epoch_seconds / 60:
        yield (
            f"train.max_minutes={most:g} ends it within the first epoch, which takes about "
            f"{minutes_in_words(one.epoch_seconds / 60)}"
        )
    elif minutes > LONG_MINUTES and (most is None or most > LONG_MINUTES):
        yield (
            f"{minutes_in_words(minutes)} or so: train.max_minutes bounds that, Ctrl-C stops, --resume goes on; "
            "fewer epochs, history.max_items or backbone.layers take less"
        )
    if one.needed > one.free:
        yield (
            f"only {_size(one.free)} of memory are free: halve train.batch_tokens and double "
            "train.accumulation, or train an LLM with backbone.gradient_checkpointing=true"
        )


def likely_minutes(one: Forecast, settings: TrainConfig) -> float:
    """Return how many minutes the likely epochs take, whatever ``train.max_minutes`` is."""
    return _epochs(settings) * one.epoch_seconds / 60


def _epochs(settings: TrainConfig) -> int:
    """Return how many epochs are likely."""
    return min(settings.epochs, LIKELY_EPOCHS) if is_open_ended(settings) else settings.epochs


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.0f} MiB" if n_bytes < 2**30 else f"{n_bytes / 2**30:.1f} GiB"


def minutes_in_words(minutes: float) -> str:
    """Write minutes as seconds, minutes or hours, whichever is read best."""
    if minutes < 2:
        return f"{60 * minutes:.0f} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} hours"


def _quickest(network: torch.nn.Module, job: TrainingJob, batch: Batch) -> tuple[float, int]:
    """Pass over a batch a few times. Returns the least seconds, and the bytes that were held between."""
    passes = list[tuple[float, int]]()
    while len(passes) < REPEATS and sum(seconds for seconds, _ in passes) < REPEAT_SECONDS:
        passes.append(_pass(network, job, batch))
    return min(passes)


def _pass(network: torch.nn.Module, job: TrainingJob, batch: Batch) -> tuple[float, int]:
    """Pass over a batch, there and back. Returns its seconds, and the bytes that were held between."""
    tensors = moved(job.collate(batch), device_name())
    began = perf_counter()
    with noted_activations(network) as sizes:
        loss = network(**tensors)
    if loss.requires_grad:  # not where no event of the windows is a target
        loss.backward()
    loss.item()  # a GPU is done, too
    seconds = perf_counter() - began
    network.zero_grad(set_to_none=True)
    return seconds, sum(sizes)


def _line(passes: list[tuple[int, float, int]]) -> tuple[float, float]:
    """Return the seconds of a batch and those of each of its positions, by the first and the last pass."""
    (few, quick, _), (many, slow, _) = passes[0], passes[-1]
    if many == few or slow <= quick:
        return 0.0, slow / many
    of_position = (slow - quick) / (many - few)
    fixed = quick - few * of_position
    return (fixed, of_position) if fixed > 0 else (0.0, slow / many)


@contextmanager
def _unchanged(network: torch.nn.Module) -> Iterator[None]:
    """Put back what passes change: random states, and buffers that checkpoints keep."""
    states, buffers = random_states(), dict(network.named_buffers())
    before = {name: buffers[name].clone() for name in getattr(network, "checkpoint_buffers", ())}
    try:
        yield
    finally:
        for name, value in before.items():
            buffers[name].copy_(value)
        set_random_states(states)


def _first(batch: Batch, n: int) -> Batch:
    """Return the first ``n`` windows of a batch."""
    sizes = None if batch.sizes is None else batch.sizes[:n]
    return replace(batch, windows=batch.windows[:n], sizes=sizes)


def _longest(batch: Batch) -> int:
    """Return how many positions the longest window of a batch takes."""
    sizes = batch.windows[:, 2] - batch.windows[:, 1] + 1 if batch.sizes is None else batch.sizes
    return int(sizes.max())


def _positions(batch: Batch) -> int:
    """Count the positions of a batch with padding."""
    return _longest(batch) * len(batch.windows)
