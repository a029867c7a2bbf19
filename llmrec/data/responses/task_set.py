"""The tasks of one model, fitted to training data, and the targets that they read off events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from llmrec.arrays import Bools, Float32s, Float64s, Int64s
from llmrec.config import ResponsesConfig
from llmrec.data.cleaning.behavior_names import PURCHASE
from llmrec.data.cleaning.behaviors import strengths_of
from llmrec.data.cleaning.number_cells import require_numbers
from llmrec.data.columns import BEHAVIOR
from llmrec.data.dataset import Dataset
from llmrec.data.histories import Histories, n_strictly_earlier, visible_among
from llmrec.data.responses.task import EventLog, Task, TaskSpec, task_named
from llmrec.errors import DataError


class TaskSet(BaseModel):
    """What a model predicts of events. ``weights``: how much an event counts in training, by its behavior.

    >>> from llmrec.data import Dataset
    >>> rows = {"user_id": ["ann"] * 2, "item_id": ["a", "b"], "timestamp": [60, 120], "rating": [5.0, 3.0]}
    >>> tasks = TaskSet.fit(Dataset.from_tables(rows, time_format="seconds"), ["rating"])
    >>> tasks.specs[0].low, tasks.specs[0].high
    (3.0, 5.0)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    specs: tuple[TaskSpec, ...]
    positive: tuple[str, ...] = ()  # the behaviors that count as a purchase
    weights: dict[str, float] = {}

    @classmethod
    def fit(cls, data: Dataset, names: Sequence[str], settings: ResponsesConfig | None = None) -> TaskSet:
        """Fit the named tasks to training data.

        Raises RecipeError for a name that is not registered, DataError where the data has no targets of a task.
        """
        settings = settings or ResponsesConfig()
        tasks = [task_named(name) for name in dict.fromkeys(names)]
        if data.order_only and any(task.needs_times for task in tasks):
            name = next(task.name for task in tasks if task.needs_times)
            raise DataError(
                f"{data.name}: the task {name} needs times, and this log only has an order; leave it out"
            )
        needs = {column: f"the task {task.name}" for task in tasks for column in task.columns}
        require_numbers(data.steps, needs, label=data.name)
        has_behaviors = BEHAVIOR in data.events.columns
        words = data.events[BEHAVIOR].cast(pl.String).drop_nulls().unique().sort() if has_behaviors else ()
        behaviors = tuple(words)
        positive = _positive(behaviors, settings.positive, needed=any(task.needs_purchases for task in tasks))
        unknown = sorted(set(settings.behavior_weights) - set(behaviors))
        if unknown:
            raise DataError(
                f"responses.behavior_weights: no event has the behavior '{unknown[0]}', only {behaviors}"
            )
        bare = cls(
            specs=tuple(task.spec(behaviors, settings) for task in tasks),
            positive=positive,
            weights=settings.behavior_weights,
        )
        targets = bare.targets(data.histories)
        return bare.model_copy(
            update={"specs": tuple(_fitted(spec, targets.values[spec.name]) for spec in bare.specs)}
        )

    @property
    def names(self) -> list[str]:
        """The tasks' names."""
        return [spec.name for spec in self.specs]

    @property
    def behaviors(self) -> tuple[str, ...]:
        """The behaviors of the training data where a task predicts them, else those that count as a purchase."""
        levels = (spec.levels for spec in self.specs if spec.task.field == BEHAVIOR)
        return next(levels, ()) or self.positive

    def __getitem__(self, name: str) -> TaskSpec:
        return next(spec for spec in self.specs if spec.name == name)

    def targets(self, histories: Histories) -> Targets:
        """Read the targets off events that happened. Raises DataError for a column that is missing."""
        events, n_visible = histories.events, n_strictly_earlier(histories)
        for spec in self.specs:
            _check_columns(spec.task, events)
        log = EventLog(histories, n_visible, self.positive)
        values = {spec.name: spec.task.read(log, spec) for spec in self.specs}
        weights = np.ones(events.height)
        if self.weights and BEHAVIOR in events.columns:
            weights = log.behaviors().replace_strict(self.weights, default=1.0, return_dtype=pl.Float64).to_numpy()
        return Targets(n_visible, values, weights)


@dataclass(frozen=True, eq=False)
class Targets:
    """For every event [n]: ``n_visible``, how many of its user's events are strictly earlier, and its targets.

    ``values`` [n] by task: the index of a class or a number, NaN where unknown. ``weights``: how much the event
    counts. ``features`` [n, n_features]: its count features, where the heads read them.

    >>> from llmrec.data import Dataset
    >>> rows = {"user_id": ["ann"] * 2, "item_id": ["a", "b"], "timestamp": [60, 120], "rating": [5.0, 3.0]}
    >>> data = Dataset.from_tables(rows, time_format="seconds")
    >>> TaskSet.fit(data, ["rating"]).targets(data.histories).values["rating"]
    array([5., 3.])
    """

    n_visible: Int64s
    values: Mapping[str, Float64s]
    weights: Float64s
    features: Float32s | None = None

    def of_known(self, offsets: Int64s, known: Bools) -> Targets:
        """Drop the events that are not ``known`` [n]; ``n_visible`` then counts only known ones."""
        values = {name: targets[known] for name, targets in self.values.items()}
        features = None if self.features is None else self.features[known]
        return Targets(visible_among(self.n_visible, offsets, known), values, self.weights[known], features)


def _check_columns(task: Task, events: pl.DataFrame) -> None:
    missing = [column for column in task.columns if column not in events.columns]
    if missing:
        raise DataError(
            f"tasks: the events have no column '{missing[0]}', which {task.name} needs; "
            f"they have {', '.join(events.columns)}"
        )


def _positive(behaviors: tuple[str, ...], given: list[str], *, needed: bool) -> tuple[str, ...]:
    """Return the behaviors that count as a purchase: those ``given``, by default those known by their name."""
    unknown = [word for word in given if word not in behaviors]
    if unknown:
        raise DataError(
            f"responses.positive: no event has the behavior '{unknown[0]}'; there are {', '.join(behaviors)}"
        )
    by_name = (word for word, strength in strengths_of(behaviors).items() if strength == PURCHASE)
    positive = tuple(given) or tuple(by_name)
    if needed and behaviors and not positive:
        raise DataError(
            f"no behavior of {', '.join(behaviors)} is known as a purchase; name it in responses.positive"
        )
    return positive


def _fitted(spec: TaskSpec, targets: Float64s) -> TaskSpec:
    known = targets[~np.isnan(targets)]
    if not len(known):
        raise DataError(f"tasks: no training event has a target of the task '{spec.name}'; leave it out")
    return spec.task.fit(spec, known)
