"""What a task is: the interface of what can be predicted of an event besides its item, and the registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from llmrec.arrays import Float64s, Floatings, Int64s
from llmrec.config import ResponsesConfig
from llmrec.data.columns import BEHAVIOR
from llmrec.data.histories import Histories
from llmrec.errors import DataError, RecipeError

Kind = Literal["classes", "number", "ordinal"]


class TaskSpec(BaseModel):
    """A task as fitted to training data.

    ``levels``: names of the classes, or of the steps of an ordinal scale; ``values`` [n_levels]: their numbers,
    where they have any; ``prior`` [n_levels]: how often each occurs. Of numbers: ``mean``, ``scale`` (the standard
    deviation), ``low`` and ``high``.

    >>> TaskSpec(name="purchase", kind="classes", levels=("no", "yes"), prior=(0.9, 0.1)).levels
    ('no', 'yes')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    prior: tuple[float, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    low: float = 0.0
    high: float = 0.0

    @property
    def task(self) -> Task:
        """The task that this is the fit of. Raises RecipeError if it is not registered."""
        return task_named(self.name)

    def level_indices(self, targets: Float64s) -> Int64s:
        """Return the index of each target's level [n], -1 where it is unknown; of a number the nearest level's."""
        indices = targets
        if self.kind != "classes":
            # Nearest, not equal: values are floats, and sums of them may be rounded.
            distances = np.abs(np.nan_to_num(targets)[:, None] - np.array(self.values))
            indices = distances.argmin(axis=1).astype(np.float64)
        return np.where(np.isnan(targets), -1, np.nan_to_num(indices)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class EventLog:
    """What a task reads its targets from.

    ``n_visible`` [n_events]: how many of the user's events are strictly earlier; ``positive``: the behaviors that
    count as a purchase.

    >>> histories = Histories.of({"ann": ["a", "b"]})
    >>> EventLog(histories, np.array([0, 1]), ()).first_rows()
    array([0, 0])
    """

    histories: Histories
    n_visible: Int64s
    positive: tuple[str, ...]

    def behaviors(self) -> pl.Series:
        """The behavior of each event, null where it is unknown."""
        return self.histories.events[BEHAVIOR].cast(pl.String)

    def numbers(self, column: str) -> Float64s:
        """A column as numbers [n_events], NaN where unknown."""
        return self.histories.events[column].cast(pl.Float64).fill_null(np.nan).to_numpy()

    def purchases(self) -> pl.Series:
        """Whether each event is a purchase, null where its behavior is unknown."""
        return self.behaviors().is_in(list(self.positive))

    def first_rows(self) -> Int64s:
        """The row of the first event of each event's user."""
        return np.repeat(self.histories.offsets[:-1], self.histories.lengths())


class Task(ABC):
    """What is predicted of an event: its targets, its columns in the table of predictions, its words in a report.

    A subclass has ``name``, ``meaning`` (a sentence for reports), ``columns`` (of the events, without which there
    are no targets) and ``read``. Once it is registered, recipes can name it, and it is trained, predicted and
    evaluated.

    >>> @register_task
    ... class DwellTask(NumberTask):
    ...     name = "dwell"
    ...     meaning = "How many seconds the item was looked at."
    ...     columns = ("seconds",)
    ...     def read(self, log, spec):
    ...         return log.numbers("seconds")
    >>> task_named("dwell").meaning
    'How many seconds the item was looked at.'
    """

    name: ClassVar[str]
    meaning: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    given_item: ClassVar[bool] = True  # False: predicted from the user alone, whatever the item
    field: ClassVar[str | None] = None  # the field of a simulated event that this predicts
    needs_times: ClassVar[bool] = False  # a log that only has an order will not do
    needs_purchases: ClassVar[bool] = False  # which behaviors are a purchase must be known

    @abstractmethod
    def spec(self, behaviors: tuple[str, ...], settings: ResponsesConfig) -> TaskSpec:
        """Return the kind, and the levels where these need no target; ``behaviors``: the training data's."""

    @abstractmethod
    def read(self, log: EventLog, spec: TaskSpec) -> Float64s:
        """Read the target of each event [n_events], NaN where unknown: the index of a class, or a number."""

    @abstractmethod
    def fit(self, spec: TaskSpec, targets: Float64s) -> TaskSpec:
        """Return ``spec`` fitted to the known ``targets`` [n] of training events, n > 0."""

    def to_table(self, spec: TaskSpec, predictions: Floatings) -> dict[str, Floatings]:
        """Return the columns of the table: of numbers [n] one, of probabilities [n, n_levels] one a level.

        Beside probabilities of levels that have values stands their expected value.
        """
        if predictions.ndim == 1:
            return {self.name: predictions}
        columns = {f"{self.name}_{level}": predictions[:, n] for n, level in enumerate(spec.levels)}
        return {self.name: predictions @ np.array(spec.values), **columns} if spec.values else columns

    def from_table(self, spec: TaskSpec, table: pl.DataFrame) -> Float64s | None:
        """Invert ``to_table``: return the probabilities or numbers, None where the table lacks the columns."""
        names = [f"{self.name}_{level}" for level in spec.levels]
        if spec.kind != "number" and names[0] in table.columns:
            return table.select(names).to_numpy()
        if spec.kind == "classes" or self.name not in table.columns:
            return None
        return table[self.name].to_numpy()

    def simulated(self, spec: TaskSpec, row: Mapping[str, Any], draw: np.random.Generator) -> str | float:
        """Return the value of ``field`` in a simulated event, from one row of the table: the expected number."""
        return float(row[self.name])


class ClassTask(Task):
    """A task whose targets are one of several classes.

    >>> class DeviceTask(ClassTask):
    ...     name, meaning, columns = "device", "What it was seen on.", ("device",)
    ...     def levels(self, behaviors):
    ...         return "phone", "computer"
    ...     def read(self, log, spec):
    ...         return np.array([spec.levels.index(one) for one in log.histories.events["device"]], dtype=float)
    >>> DeviceTask().levels(())
    ('phone', 'computer')
    """

    @abstractmethod
    def levels(self, behaviors: tuple[str, ...]) -> tuple[str, ...]:
        """Return the names of the classes."""

    def spec(self, behaviors: tuple[str, ...], settings: ResponsesConfig) -> TaskSpec:
        """See ``Task.spec``."""
        return TaskSpec(name=self.name, kind="classes", levels=self.levels(behaviors))

    def fit(self, spec: TaskSpec, targets: Float64s) -> TaskSpec:
        """See ``Task.fit``: the prior, with one event added to each class (Laplace smoothing)."""
        counts = np.bincount(targets.astype(np.int64), minlength=len(spec.levels)) + 1.0
        return spec.model_copy(update={"prior": tuple(counts / counts.sum())})

    def simulated(self, spec: TaskSpec, row: Mapping[str, Any], draw: np.random.Generator) -> str | float:
        """See ``Task.simulated``: a class drawn by its probability, its value where it has one."""
        probabilities = np.array([row[f"{self.name}_{level}"] for level in spec.levels], dtype=np.float64)
        n = int(draw.choice(len(probabilities), p=probabilities / probabilities.sum()))
        return spec.values[n] if spec.values else spec.levels[n]


class NumberTask(Task):
    """A task whose targets are numbers.

    >>> class StarsTask(NumberTask):
    ...     name, meaning, columns = "stars", "How many stars it got.", ("stars",)
    ...     def read(self, log, spec):
    ...         return log.numbers("stars")
    >>> StarsTask().given_item
    True
    """

    def spec(self, behaviors: tuple[str, ...], settings: ResponsesConfig) -> TaskSpec:
        """See ``Task.spec``."""
        return TaskSpec(name=self.name, kind="number")

    def fit(self, spec: TaskSpec, targets: Float64s) -> TaskSpec:
        """See ``Task.fit``: mean, standard deviation and range."""
        scale = {"mean": float(targets.mean()), "scale": float(targets.std()) or 1.0}
        return spec.model_copy(update={**scale, "low": float(targets.min()), "high": float(targets.max())})


TASKS: dict[str, Task] = {}
TaskClass = TypeVar("TaskClass", bound=type[Task])


def register_task(task: TaskClass) -> TaskClass:
    """Let recipes name a task. Raises DataError where another class has its name already.

    >>> @register_task
    ... class StarsTask(NumberTask):
    ...     name, meaning, columns = "stars", "How many stars it got.", ("stars",)
    ...     def read(self, log, spec):
    ...         return log.numbers("stars")
    >>> TASKS["stars"].meaning
    'How many stars it got.'
    """
    other = type(TASKS.get(task.name, task()))
    if (other.__module__, other.__qualname__) != (task.__module__, task.__qualname__):
        raise DataError(f"the task '{task.name}' is {other.__module__}.{other.__qualname__} already; rename one")
    TASKS[task.name] = task()
    return task


def task_named(name: str) -> Task:
    """Return a registered task. Raises RecipeError for another name."""
    if name not in TASKS:
        raise RecipeError(f"tasks: no task '{name}'; there are {', '.join(TASKS)}")
    return TASKS[name]
