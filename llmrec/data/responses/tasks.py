"""What can be asked of an event besides its item, and what was known when it happened."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from llmrec.arrays import Bools, Float32s, Float64s, Int64s
from llmrec.config import ResponsesConfig, Task
from llmrec.data.cleaning.behaviors import PURCHASE, strengths_of
from llmrec.data.columns import BEHAVIOR, ITEM, TIME, USER
from llmrec.data.dataset import Dataset
from llmrec.data.histories import Histories, n_strictly_earlier, offsets_of, visible_among
from llmrec.data.responses.field_bins import PAUSES
from llmrec.errors import DataError

Kind = Literal["classes", "number", "ordinal"]

# Of the user alone, without an item.
ALONE = ("action", "gap", "value")
MOST_RATINGS = 20
# A typical pause of each part: between its bounds, on a scale of ratios.
PAUSE_MIDDLES = tuple((low * high) ** 0.5 for low, high in itertools.pairwise((30.0, *PAUSES, 4 * PAUSES[-1])))
PAUSE_NAMES = ("2 minutes", "1 hour", "6 hours", "1 day", "3 days", "1 week", "30 days", "90 days")


class TaskSpec(BaseModel):
    """One question: its kind, its classes or the steps of its scale, and where its numbers lie in training.

    ``prior`` [n_levels]: how often each class or step occurred.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Task
    kind: Kind
    levels: tuple[str, ...] = ()
    values: tuple[float, ...] = ()  # of the levels, where these are numbers
    prior: tuple[float, ...] = ()
    center: float = 0.0
    scale: float = 1.0
    low: float = 0.0
    high: float = 0.0

    @property
    def given_item(self) -> bool:
        """Whether the answer is about an item."""
        return self.name not in ALONE


class TaskSet(BaseModel):
    """What a model predicts, as it was in its training events."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    specs: tuple[TaskSpec, ...]
    positive: tuple[str, ...] = ()  # the behaviors that are a purchase
    weights: dict[str, float] = {}

    @classmethod
    def fit(cls, data: Dataset, names: Sequence[Task], settings: ResponsesConfig | None = None) -> TaskSet:
        """Find classes and scales in training data. Raises DataError for a task that the data cannot teach."""
        settings = settings or ResponsesConfig()
        if data.order_only and "gap" in names:
            raise DataError(f"{data.name}: the task gap needs times, and this log only has an order; leave it out")
        events = data.events
        words = tuple(events[BEHAVIOR].cast(pl.String).drop_nulls().unique().sort()) if _has(events) else ()
        positive = _positive(words, settings.positive, wanted="purchase" in names or "value" in names)
        unknown = sorted(set(settings.behavior_weights) - set(words))
        if unknown:
            raise DataError(f"responses.behavior_weights: no event has the behavior '{unknown[0]}', only {words}")
        bare = cls(
            specs=tuple(_bare(name, words, settings.rating) for name in dict.fromkeys(names)),
            positive=positive,
            weights=settings.behavior_weights,
        )
        told = bare.targets(data.histories)
        return bare.model_copy(
            update={"specs": tuple(_fitted(spec, told.values[spec.name]) for spec in bare.specs)}
        )

    @property
    def names(self) -> list[str]:
        """The tasks' names."""
        return [spec.name for spec in self.specs]

    @property
    def columns(self) -> list[str]:
        """The event columns that the questions are about."""
        needs = {"gap": [TIME], "rating": ["rating"], "value": ["price", "quantity", TIME, BEHAVIOR]}
        found = [column for name in self.names for column in needs.get(name, [BEHAVIOR])]
        return list(dict.fromkeys(found))

    def __getitem__(self, name: str) -> TaskSpec:
        return next(spec for spec in self.specs if spec.name == name)

    def targets(self, histories: Histories) -> Targets:
        """Read the answers off events that happened. Raises DataError for a column that is not there."""
        events, n_visible = histories.events, n_strictly_earlier(histories)
        missing = [column for column in self.columns if column not in events.columns and column != BEHAVIOR]
        if missing or (BEHAVIOR in self.columns and not _has(events) and "value" not in self.names):
            named = missing[0] if missing else BEHAVIOR
            raise DataError(f"tasks: the events have no column '{named}'; they have {', '.join(events.columns)}")
        values: dict[str, Float64s] = {
            spec.name: _answers(spec, histories, n_visible, self.positive) for spec in self.specs
        }
        weights = np.ones(events.height)
        if self.weights and _has(events):
            words = events[BEHAVIOR].cast(pl.String)
            weights = words.replace_strict(self.weights, default=1.0, return_dtype=pl.Float64).to_numpy()
        return Targets(n_visible, values, weights)


@dataclass(frozen=True, eq=False)
class Targets:
    """For every event [n]: ``n_visible``, how many of its user's events are strictly earlier, and the answers.

    A class or step is a number from 0, what is not known NaN. ``weights``: how much the event counts.
    ``features`` [n, n_features]: what else was known before it, for who reads that.
    """

    n_visible: Int64s
    values: Mapping[str, Float64s]
    weights: Float64s
    features: Float32s | None = None

    def of_known(self, offsets: Int64s, known: Bools) -> Targets:
        """Leave out the events that are not ``known`` [n]; ``n_visible`` then counts only known ones."""
        kept = {name: values[known] for name, values in self.values.items()}
        features = None if self.features is None else self.features[known]
        return Targets(visible_among(self.n_visible, offsets, known), kept, self.weights[known], features)


@dataclass(frozen=True, eq=False)
class ResponseQueries:
    """Events to be predicted. ``histories``: one for each user and moment, what was strictly earlier.

    ``answers``: ``user_id`` (the name of a history), ``owner`` (the user), ``item_id``, and a column for each
    task, NaN where the answer is not known.
    """

    histories: Histories
    answers: pl.DataFrame


def response_queries(
    histories: Histories,
    chosen: Bools,
    tasks: TaskSet,
    *,
    most: int | None = None,
    window: int | None = None,
    seed: int = 0,
) -> ResponseQueries:
    """Ask about the ``chosen`` ones of these events [n_events], or a random sample of ``most`` of them.

    A basket's events share a moment, and none of them may tell about the others: a history ends before it.
    With ``window`` a history holds only its newest so many events.
    """
    rows = np.flatnonzero(chosen)
    if most is not None and len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    told = tasks.targets(histories)
    owners = np.repeat(np.arange(len(histories)), histories.lengths())[rows]
    ends = histories.offsets[owners] + told.n_visible[rows]
    distinct, places = np.unique(np.stack([owners, ends], axis=1), axis=0, return_inverse=True)
    starts = histories.offsets[distinct[:, 0]]
    places_of = distinct[:, 1] - starts
    lengths = places_of if window is None else np.minimum(places_of, window)
    taken = np.repeat(distinct[:, 1] - lengths - offsets_of(lengths)[:-1], lengths) + np.arange(lengths.sum())
    users = [histories.user_ids[owner] for owner in distinct[:, 0]]
    names = [f"{user}@{place}" for user, place in zip(users, places_of, strict=True)]
    answers = {
        USER: pl.Series(names, dtype=pl.String).gather(places.reshape(-1)),
        "owner": pl.Series(histories.user_ids, dtype=pl.String).gather(owners),
        ITEM: histories.events[ITEM].gather(rows),
    } | {name: pl.Series(values[rows]) for name, values in told.values.items()}
    known = Histories(tuple(names), histories.events[taken], offsets_of(lengths))
    return ResponseQueries(known, pl.DataFrame(answers))


def _answers(spec: TaskSpec, histories: Histories, n_visible: Int64s, positive: tuple[str, ...]) -> Float64s:
    events = histories.events
    if spec.name in {"behavior", "action"}:
        known = {word: float(n) for n, word in enumerate(spec.levels)}
        words = events[BEHAVIOR].cast(pl.String)
        return words.replace_strict(known, default=None, return_dtype=pl.Float64).fill_null(np.nan).to_numpy()
    if spec.name == "purchase":
        bought = events[BEHAVIOR].cast(pl.String).is_in(list(positive)).cast(pl.Float64)
        return bought.fill_null(np.nan).to_numpy()
    if spec.name == "rating":
        return events["rating"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    if spec.name == "gap":
        return _pauses(histories, n_visible)
    return _baskets(histories, n_visible, positive)


def _pauses(histories: Histories, n_visible: Int64s) -> Float64s:
    """The part of PAUSES that the time since the last strictly earlier event lies in."""
    times = histories.events[TIME].to_numpy().astype(np.float64)
    starts: Int64s = np.repeat(histories.offsets[:-1], histories.lengths())
    gaps: Float64s = times - times[np.maximum(starts + n_visible - 1, 0)]
    return np.where(n_visible > 0, np.digitize(gaps, PAUSES), np.nan).astype(np.float64)


def _baskets(histories: Histories, n_visible: Int64s, positive: tuple[str, ...]) -> Float64s:
    """Log of 1 + what was spent at the event's moment; NaN where nothing was bought."""
    events = histories.events
    spent = (events["price"].cast(pl.Float64) * events["quantity"].cast(pl.Float64)).fill_null(0).to_numpy()
    if _has(events) and positive:
        spent = spent * events[BEHAVIOR].cast(pl.String).is_in(list(positive)).fill_null(False).to_numpy()
    moment = np.repeat(histories.offsets[:-1], histories.lengths()) + n_visible
    total = np.bincount(moment, weights=np.maximum(spent, 0), minlength=len(spent))[moment]
    return np.where(total > 0, np.log1p(total), np.nan)


def _has(events: pl.DataFrame) -> bool:
    return BEHAVIOR in events.columns


def _positive(words: tuple[str, ...], given: list[str], *, wanted: bool) -> tuple[str, ...]:
    unknown = [word for word in given if word not in words]
    if unknown:
        raise DataError(
            f"responses.positive: no event has the behavior '{unknown[0]}'; there are {', '.join(words)}"
        )
    found = tuple(given) or tuple(word for word, known in strengths_of(words).items() if known == PURCHASE)
    if wanted and words and not found:
        raise DataError(f"no behavior of {', '.join(words)} is known as a purchase; name it in responses.positive")
    return found


def _bare(name: Task, words: tuple[str, ...], rating: Literal["regression", "ordinal"]) -> TaskSpec:
    if name in {"behavior", "action"}:
        return TaskSpec(name=name, kind="classes", levels=words)
    if name == "purchase":
        return TaskSpec(name=name, kind="classes", levels=("no", "yes"))
    if name == "gap":
        levels = (*(f"under {pause}" for pause in PAUSE_NAMES), f"from {PAUSE_NAMES[-1]}")
        return TaskSpec(name=name, kind="classes", levels=levels, values=PAUSE_MIDDLES)
    kind: Kind = "ordinal" if name == "rating" and rating == "ordinal" else "number"
    return TaskSpec(name=name, kind=kind)


def _fitted(spec: TaskSpec, answers: Float64s) -> TaskSpec:
    known = answers[~np.isnan(answers)]
    if not len(known):
        raise DataError(f"tasks: no training event has an answer to '{spec.name}'; leave it out")
    if spec.kind == "classes":
        counts = np.bincount(known.astype(np.int64), minlength=len(spec.levels)) + 1.0
        return spec.model_copy(update={"prior": tuple(counts / counts.sum())})
    told = {
        "center": float(known.mean()),
        "scale": float(known.std()) or 1.0,
        "low": float(known.min()),
        "high": float(known.max()),
    }
    steps, times = np.unique(known, return_counts=True)
    if spec.name == "rating" and len(steps) <= MOST_RATINGS:
        told_steps = {"values": tuple(map(float, steps)), "levels": tuple(f"{step:g}" for step in steps)}
        return spec.model_copy(update=told | told_steps | {"prior": tuple(times / times.sum())})
    if spec.kind == "ordinal":
        raise DataError(f"responses.rating=ordinal: there are {len(steps)} different ratings; use regression")
    return spec.model_copy(update=told)
