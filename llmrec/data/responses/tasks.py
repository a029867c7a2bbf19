"""The tasks that are built in; a new one is one more class, here or in another package."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Floatings
from llmrec.config import ResponsesConfig
from llmrec.data.columns import BEHAVIOR, TIME
from llmrec.data.responses.field_bins import GAP_BOUNDS
from llmrec.data.responses.task import ClassTask, EventLog, NumberTask, TaskSpec, register_task
from llmrec.errors import DataError

MOST_RATINGS = 20
# The value of each gap bin in seconds: the geometric mean of its bounds.
GAP_VALUES = tuple(
    (low * high) ** 0.5 for low, high in itertools.pairwise((30.0, *GAP_BOUNDS, 4 * GAP_BOUNDS[-1]))
)
GAP_NAMES = ("2 minutes", "1 hour", "6 hours", "1 day", "3 days", "1 week", "30 days", "90 days")


@register_task
class BehaviorTask(ClassTask):
    """The behavior of an event, given its item.

    >>> BehaviorTask().levels(("buy", "view"))
    ('buy', 'view')
    """

    name = "behavior"
    meaning = "What kind of event it was, given its item."
    columns = (BEHAVIOR,)
    field = BEHAVIOR

    def levels(self, behaviors: tuple[str, ...]) -> tuple[str, ...]:
        """The behaviors of the training data."""
        return behaviors

    def read(self, log: EventLog, spec: TaskSpec) -> Float64s:
        """See ``Task.read``. A behavior that training did not have is unknown."""
        indices = {word: float(n) for n, word in enumerate(spec.levels)}
        targets = log.behaviors().replace_strict(indices, default=None, return_dtype=pl.Float64)
        return targets.fill_null(np.nan).to_numpy()


@register_task
class ActionTask(BehaviorTask):
    """The behavior of the next event, its item unknown.

    >>> ActionTask.given_item
    False
    """

    name = "action"
    meaning = "What kind of event came next, its item unknown."
    given_item = False


@register_task
class PurchaseTask(ClassTask):
    """Whether an event is a purchase, given its item; the table has the probability that it is.

    >>> PurchaseTask().levels(())
    ('no', 'yes')
    """

    name = "purchase"
    meaning = "Whether it was a purchase, given its item."
    columns = (BEHAVIOR,)
    needs_purchases = True

    def levels(self, behaviors: tuple[str, ...]) -> tuple[str, ...]:
        """No and yes."""
        return ("no", "yes")

    def read(self, log: EventLog, spec: TaskSpec) -> Float64s:
        """See ``Task.read``."""
        return log.purchases().cast(pl.Float64).fill_null(np.nan).to_numpy()

    def to_table(self, spec: TaskSpec, predictions: Floatings) -> dict[str, Floatings]:
        """See ``Task.to_table``: one column, the probability of a purchase."""
        return {self.name: predictions[:, 1]}

    def from_table(self, spec: TaskSpec, table: pl.DataFrame) -> Float64s | None:
        """See ``Task.from_table``."""
        if self.name not in table.columns:
            return None
        probability = table[self.name].to_numpy()
        return np.stack([1 - probability, probability], axis=1)


@register_task
class RatingTask(NumberTask):
    """The rating of an item: a number, or with ``responses.rating=ordinal`` a step of an ordinal scale.

    >>> RatingTask.columns
    ('rating',)
    """

    name = "rating"
    meaning = "How the item was rated."
    columns = ("rating",)
    field = "rating"

    def spec(self, behaviors: tuple[str, ...], settings: ResponsesConfig) -> TaskSpec:
        """See ``Task.spec``."""
        return TaskSpec(name=self.name, kind="ordinal" if settings.rating == "ordinal" else "number")

    def read(self, log: EventLog, spec: TaskSpec) -> Float64s:
        """See ``Task.read``: the rating, also of an ordinal scale."""
        return log.numbers("rating")

    def fit(self, spec: TaskSpec, targets: Float64s) -> TaskSpec:
        """See ``Task.fit``; of at most MOST_RATINGS different ratings also these and their prior."""
        fitted = super().fit(spec, targets)
        steps, counts = np.unique(targets, return_counts=True)
        if len(steps) <= MOST_RATINGS:
            names = tuple(f"{step:g}" for step in steps)
            prior = tuple(counts / counts.sum())
            return fitted.model_copy(update={"values": tuple(map(float, steps)), "levels": names, "prior": prior})
        if spec.kind == "ordinal":
            raise DataError(f"responses.rating=ordinal: there are {len(steps)} different ratings; use regression")
        return fitted


@register_task
class GapTask(ClassTask):
    """The time since the last strictly earlier event, in bins; the table has the expected seconds, too.

    >>> GapTask().levels(())[:2]
    ('under 2 minutes', 'under 1 hour')
    """

    name = "gap"
    meaning = "How long it took until the next event."
    columns = (TIME,)
    given_item = False
    field = "gap"
    needs_times = True

    def levels(self, behaviors: tuple[str, ...]) -> tuple[str, ...]:
        """The bins between GAP_BOUNDS."""
        return (*(f"under {name}" for name in GAP_NAMES), f"from {GAP_NAMES[-1]}")

    def spec(self, behaviors: tuple[str, ...], settings: ResponsesConfig) -> TaskSpec:
        """See ``Task.spec``."""
        return super().spec(behaviors, settings).model_copy(update={"values": GAP_VALUES})

    def read(self, log: EventLog, spec: TaskSpec) -> Float64s:
        """See ``Task.read``: unknown of a user's first events."""
        times = log.histories.events[TIME].to_numpy().astype(np.float64)
        gaps: Float64s = times - times[np.maximum(log.first_rows() + log.n_visible - 1, 0)]
        return np.where(log.n_visible > 0, np.digitize(gaps, GAP_BOUNDS), np.nan).astype(np.float64)


@register_task
class ValueTask(NumberTask):
    """Log of 1 + what is spent in a basket with a purchase; the table has the sum itself.

    >>> ValueTask.columns
    ('price', 'quantity', 'timestamp')
    """

    name = "value"
    meaning = "How much was spent in the next basket with a purchase: log of 1 + the sum."
    columns = ("price", "quantity", TIME)
    given_item = False
    needs_purchases = True

    def read(self, log: EventLog, spec: TaskSpec) -> Float64s:
        """See ``Task.read``: a basket is the user's events at one time; unknown where nothing was bought."""
        events = log.histories.events
        spent = (events["price"].cast(pl.Float64) * events["quantity"].cast(pl.Float64)).fill_null(0).to_numpy()
        if BEHAVIOR in events.columns and log.positive:
            spent = spent * log.purchases().fill_null(False).to_numpy()
        basket = log.first_rows() + log.n_visible
        total = np.bincount(basket, weights=np.maximum(spent, 0), minlength=len(spent))[basket]
        return np.where(total > 0, np.log1p(total), np.nan)

    def to_table(self, spec: TaskSpec, predictions: Floatings) -> dict[str, Floatings]:
        """See ``Task.to_table``."""
        return {self.name: np.expm1(predictions)}

    def from_table(self, spec: TaskSpec, table: pl.DataFrame) -> Float64s | None:
        """See ``Task.from_table``."""
        sums = super().from_table(spec, table)
        return None if sums is None else np.log1p(np.maximum(sums, 0))
