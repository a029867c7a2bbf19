"""Simulate what a user does next: events drawn one by one from a model's scores and predicted responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl

from llmrec.arrays import Float32s
from llmrec.data import Catalog, Histories
from llmrec.data.columns import ITEM, TIME
from llmrec.data.histories import offsets_of
from llmrec.data.ids import whole_number
from llmrec.data.responses.task import TASKS
from llmrec.data.responses.task_set import TaskSet
from llmrec.errors import DataError


class EventPredictor(Protocol):
    """What is needed of a model: scores of the next item, and responses to it."""

    catalog: Catalog
    exclude_seen: bool

    @property
    def tasks(self) -> TaskSet: ...

    def score(self, histories: Histories) -> Float32s: ...

    def predict_response(
        self, histories: Histories, items: Sequence[str] | Mapping[str, Sequence[str]]
    ) -> pl.DataFrame: ...


def simulate(model: EventPredictor, history: Histories, steps: int, *, seed: int = 0) -> pl.DataFrame:
    """Continue one history by drawing events: the item by the softmax of its scores, then what the tasks predict.

    Returns ``step, item_id`` and a column for each event field that a task predicts: ``behavior`` (drawn, given
    the item; by ``action`` if only that is a task), ``rating`` (expected), ``gap`` (drawn, seconds), and
    ``timestamp`` where the history has times. Seen items are left out where the training data has few repeats.
    Raises DataError for more than one history, no step, or when no item is left.
    """
    if len(history) != 1 or steps < 1:
        raise DataError(f"simulate continues one history by at least one step, got {len(history)} and {steps}")
    draw, rows = np.random.default_rng(whole_number(seed, label="seed", least=0)), []
    for step in range(1, steps + 1):
        event = _next_event(model, history, draw)
        rows.append({"step": step, **event})
        history = _with_event(history, event)
    return pl.DataFrame(rows)


def _next_event(model: EventPredictor, history: Histories, draw: np.random.Generator) -> dict[str, Any]:
    scores = model.score(history)[0].astype(np.float64)
    if model.catalog.removed is not None:
        scores[model.catalog.removed] = -np.inf
    if model.exclude_seen:
        codes = model.catalog.codes(history.events[ITEM])
        scores[codes[codes >= 0]] = -np.inf
    if not np.isfinite(scores).any():
        raise DataError("no item is left that was not seen; simulate fewer steps")
    weights = np.exp(scores - scores.max())
    item = model.catalog.ids[int(draw.choice(len(weights), p=weights / weights.sum()))]
    event: dict[str, Any] = {ITEM: item}
    if not model.tasks.specs:
        return event
    predicted = model.predict_response(history, [item]).row(0, named=True)
    for name, task in TASKS.items():
        if name in model.tasks.names and task.field is not None and task.field not in event:
            event[task.field] = task.simulated(model.tasks[name], predicted, draw)
    if "gap" in event and TIME in history.events.columns and history.events.height:
        event[TIME] = history.events[TIME][-1] + round(event["gap"])
    return event


def _with_event(history: Histories, event: Mapping[str, Any]) -> Histories:
    """Append an event; fields that it does not have are unknown."""
    row = {name: event.get(name) for name in history.events.columns}
    events = pl.concat([history.events, pl.DataFrame([row], schema=history.events.schema)])
    return Histories(history.user_ids, events, offsets_of([events.height]))
