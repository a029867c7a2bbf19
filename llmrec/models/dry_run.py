"""Say what fitting a recipe would take, before it is spent: parameters, time and memory. Nothing is written."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from llmrec.config import Recipe, TrainConfig
from llmrec.data import Split
from llmrec.data.splits.leaks import guard
from llmrec.errors import TrainingError
from llmrec.models.registry import from_recipe, with_absolute_paths
from llmrec.runtime import device_name, measured
from llmrec.training.distributed import size
from llmrec.training.schedule import STEPS_BETWEEN, is_open_ended

if TYPE_CHECKING:
    from llmrec.training.probe import Measurement

MEASURED, ESTIMATED = "measured", "estimated"
NONE_IN_STEPS = "none in steps: it counts or solves, which a dry run does not measure"


class Figure(NamedTuple):
    """One thing that is known of a fit: how it was come by is "measured", "estimated" or empty."""

    what: str
    value: str
    source: str = ""


@dataclass(frozen=True)
class DryRun:
    """What a fit would take. A model that is not trained in steps has no ``measurement``, a stack has ``members``.

    ``peak_gib``: the largest resident size of the process from loading to the end of the probe; on a GPU
    the most of its memory that was in use.
    """

    recipe: Recipe
    n_events: int
    setup_seconds: float = 0.0
    peak_gib: float = 0.0
    measurement: Measurement | None = None
    members: tuple[DryRun, ...] = ()

    @property
    def train_seconds(self) -> float:
        """Seconds of an epoch's training."""
        assert self.measurement is not None
        return self.measurement.n_batches * self.measurement.timing.batch

    @property
    def epoch_seconds(self) -> float:
        """Seconds of an epoch with its validation and what it saves."""
        assert self.measurement is not None
        steps = self.measurement.n_batches / self._settings.accumulation
        # Of an open-ended training not every epoch is validated.
        share = min(steps / STEPS_BETWEEN, 1.0) if is_open_ended(self._settings) else 1.0
        return self.train_seconds + share * self.validation_seconds

    @property
    def validation_seconds(self) -> float:
        """Seconds of validating and saving at the end of an epoch."""
        assert self.measurement is not None
        return self.measurement.validation_seconds + self.measurement.timing.save

    @property
    def total_seconds(self) -> float:
        """Seconds of the whole fit, if nothing stops it early; a stack's are the sum of its trained members'."""
        if self.measurement is None:
            return sum(member.total_seconds for member in self.members)
        epochs, minutes = float(self._settings.epochs), self._settings.max_minutes
        if minutes is not None:
            epochs = min(epochs, 60 * minutes / max(self.train_seconds, 1e-9))
        rest = (math.ceil(epochs) - epochs) * self.validation_seconds
        return self.setup_seconds + epochs * self.epoch_seconds + rest

    @property
    def table(self) -> pl.DataFrame:
        """All figures: ``what, value, source``."""
        figures = [Figure("recipe", f"{self.recipe.name} ({self.recipe.model})"), *self._figures()]
        return pl.DataFrame(figures, schema=list(Figure._fields), orient="row")

    def _figures(self) -> Iterator[Figure]:
        yield Figure("training events", f"{self.n_events:,}")
        if self.members:
            for member in self.members:
                yield member.summary()
            yield from self._of_members()
        elif self.measurement is None:
            yield Figure("training", NONE_IN_STEPS)
        else:
            yield from self._measured(self.measurement)

    def _of_members(self) -> Iterator[Figure]:
        if all(member.measurement is None for member in self.members):
            yield Figure("training", NONE_IN_STEPS)
            return
        whole = f"at most {_duration(self.total_seconds)}"
        yield Figure("whole fit, without counting and weighing", whole, ESTIMATED)
        yield Figure("peak memory", f"{max(one.peak_gib for one in self.members):.2f} GiB", MEASURED)

    def summary(self) -> Figure:
        """Return one line about a member of a stack."""
        if self.measurement is None:
            return Figure(self.recipe.name, "counts or solves: not measured")
        trained = f"{self.measurement.n_trained:,} trained parameters"
        text = f"at most {_duration(self.total_seconds)}, {self.peak_gib:.2f} GiB, {trained}"
        return Figure(self.recipe.name, text, ESTIMATED)

    def _measured(self, one: Measurement) -> Iterator[Figure]:
        yield Figure("parameters", f"{one.n_parameters:,}")
        yield Figure("trained", f"{one.n_trained:,} ({one.n_trained / one.n_parameters:.1%})")
        yield Figure("batches an epoch", f"{one.n_batches:,}")
        yield Figure("tokens an epoch", f"{one.tokens:,}", ESTIMATED)
        yield Figure("speed", f"{one.tokens / max(self.train_seconds, 1e-9):,.0f} tokens/s", MEASURED)
        yield Figure("setup", _duration(self.setup_seconds), MEASURED)
        yield Figure("validation and saving", _duration(self.validation_seconds), MEASURED)
        yield Figure("an epoch", _duration(self.epoch_seconds), ESTIMATED)
        yield Figure(self._until(), f"at most {_duration(self.total_seconds)}", ESTIMATED)
        yield Figure("memory before training", _size(one.before), MEASURED)
        for part, n_bytes in one.memory.items():
            yield Figure(f"memory: {part}", _size(n_bytes), ESTIMATED)
        yield Figure("peak memory", f"{self.peak_gib:.2f} GiB", MEASURED)
        yield Figure("free memory", _size(one.free), MEASURED)
        whole = " or more: all of an epoch" if one.batch_tokens >= one.tokens // 100 * 100 else ""
        yield Figure("train.batch_tokens that fit", f"{one.batch_tokens:,}{whole}", ESTIMATED)

    def _until(self) -> str:
        epochs, minutes = self._settings.epochs, self._settings.max_minutes
        is_cut = minutes is not None and epochs * self.train_seconds > 60 * minutes
        stop = f"{minutes:g} minutes of training" if is_cut else f"{epochs} epochs"
        return f"whole fit, {stop}{' or until nothing improves' if is_open_ended(self._settings) else ''}"

    @property
    def _settings(self) -> TrainConfig:
        return self.recipe.train


def dry_run(recipe: Recipe, split: Split, *, allow_leaks: Iterable[str] = ()) -> DryRun:
    """Set a fit up, train a few batches, validate once, and return what the whole would take.

    Of a stack each member; rules are not fitted. Raises what ``fit_run`` raises before it trains, and, in
    several processes, TrainingError.
    """
    if size() > 1:
        raise TrainingError(
            "a dry run is of one process: leave out accelerate launch; each takes a share of its time"
        )
    guard(split, allow=allow_leaks)
    return _measured_run(with_absolute_paths(recipe), split)


def _measured_run(recipe: Recipe, split: Split) -> DryRun:
    began = time.monotonic()  # a fit, too, imports what it needs
    from llmrec.models.stacking.members import readable, sized_recipes
    from llmrec.models.stacking.recommender import StackedRecommender
    from llmrec.training.probe import ProbeOver, probe

    model = from_recipe(recipe)
    n_events = split.train.events.height
    if isinstance(model, StackedRecommender):
        recipes = readable(sized_recipes(model.recipe, split.train), split.train)
        members = tuple(_measured_run(member, split) for member in recipes)
        return DryRun(model.recipe, n_events, members=members)
    if not any(field.partition(".")[0] == "train" for field in model.sections):
        return DryRun(model.recipe, n_events)
    model.probe = probe
    try:
        with measured() as spent:
            model.fit(split.train, valid=split.valid)
    except ProbeOver as over:
        one = over.measurement
        setup = one.began - began + one.timing.start
        # Of a GPU what counts is its memory.
        peak = spent.peak_memory_gib if device_name() == "cpu" else (one.before + one.needed) / 2**30
        return DryRun(model.recipe, n_events, setup, peak, one)
    return DryRun(model.recipe, n_events)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.{2 if seconds < 10 else 1}f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:,.1f} MiB" if n_bytes < 2**30 else f"{n_bytes / 2**30:.2f} GiB"
