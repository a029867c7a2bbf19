"""The history that a query is about: of a user, with the events taken since, or as the query gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from llmrec.data import Catalog, Histories
from llmrec.data.cleaning.positives import positives_as_settled
from llmrec.data.columns import ITEM, POSITIVE, USER
from llmrec.errors import DataError
from llmrec.models.base import Recommender
from llmrec.serve.events import EventStore
from llmrec.serve.failures import UnknownUserError
from llmrec.serve.queries import HistoryQuery

MOST_NAMED = 100  # unknown items that an answer lists


class QueriedHistory(NamedTuple):
    """One history of known items; ``unknown`` ids were left out. ``live``: of this user whose events come in."""

    events: pl.DataFrame
    unknown: list[str]
    live: str | None = None


class UserHistories:
    """What a run and the event store together know of users."""

    def __init__(self, model: Recommender, store: EventStore) -> None:
        histories = model.histories
        words = [pl.col(name).cast(pl.String) for name, kind in histories.events.schema.items() if _is_word(kind)]
        self._model, self._store = model, store
        self._events, self._offsets = histories.events.with_columns(words), histories.offsets
        self._rows = {user: row for row, user in enumerate(histories.user_ids)}
        self._settled: Mapping[str, Any] = model.metadata.get("positive", {})

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, user_id: str) -> bool:
        return user_id in self._rows

    def known(self, start: str, most: int) -> list[dict[str, Any]]:
        """Return at most ``most`` users of the run whose ids begin so: ``user_id`` and how many ``events``."""
        users = islice((user for user in self._rows if user.startswith(start)), most)
        rows = [(user, self._rows[user]) for user in users]
        return [
            {"user_id": user, "events": int(self._offsets[row + 1] - self._offsets[row])} for user, row in rows
        ]

    def of(self, query: HistoryQuery) -> QueriedHistory:
        """Return the history of a query.

        Raises UnknownUserError, and DataError for unknown items where it refuses them or there are no others.
        """
        if query.user_id is not None:
            return self.of_user(query.user_id)
        if query.events is not None:
            rows = [event.model_dump(exclude_none=True) for event in query.events]
            events = event_table(rows, self._events.schema, self._settled)
        else:
            events = pl.DataFrame({ITEM: pl.Series(ITEM, query.history, dtype=pl.String)})
        unknown = unknown_items(
            events[ITEM].to_list(), self._model.catalog, refuse=query.unknown_items == "refuse"
        )
        if not unknown:
            return QueriedHistory(events, [])
        known = events.filter(pl.Series(self._model.catalog.codes(events[ITEM]) >= 0))
        if known.is_empty():
            raise DataError(f"none of these items is in the catalog: {', '.join(unknown[:5])}")
        return QueriedHistory(known, unknown)

    def of_user(self, user: str) -> QueriedHistory:
        """Return the history of a user, with the events taken since. Raises UnknownUserError."""
        row, new = self._rows.get(user), self._store.of_user(user)
        if row is None and not new:
            raise UnknownUserError(
                f"user '{user}' is not among the {len(self)} users of the run, and sent no events"
            )
        start, end = (0, 0) if row is None else (int(self._offsets[row]), int(self._offsets[row + 1]))
        events = self._events[start:end]
        if not new:
            return QueriedHistory(events, [])
        added = event_table(new, self._events.schema, self._settled)
        known = added.filter(pl.Series(self._model.catalog.codes(added[ITEM]) >= 0))
        return QueriedHistory(pl.concat([events, known], how="diagonal"), [], live=user)


def joined(histories: Sequence[QueriedHistory]) -> Histories:
    """Return histories whose events have the same columns as one value; their users are called 0, 1, ..."""
    offsets = np.cumsum([0, *(one.events.height for one in histories)])
    users = tuple(str(n) for n in range(len(histories)))
    return Histories(users, pl.concat([one.events for one in histories]), offsets)


def unknown_items(ids: Sequence[str], catalog: Catalog, *, refuse: bool) -> list[str]:
    """Return the first of the ids that the catalog lacks, each once. Raises DataError to ``refuse`` them."""
    unknown = [item for item, code in zip(ids, catalog.codes(ids), strict=True) if code < 0]
    distinct = list(dict.fromkeys(unknown))
    if distinct and refuse:
        more = f" and {len(distinct) - 5} more" if len(distinct) > 5 else ""
        raise DataError(f"not in the catalog: {', '.join(distinct[:5])}{more}; leave them out, or ignore them")
    return distinct[:MOST_NAMED]


def event_table(
    events: Sequence[Mapping[str, Any]], schema: Mapping[str, pl.DataType], settled: Mapping[str, Any]
) -> pl.DataFrame:
    """Return events as a table with the columns of a run's histories; POSITIVE where an event is no choice.

    ``settled``: how the positive targets of the run's data were.
    """
    columns = [pl.Series(ITEM, [event[ITEM] for event in events], dtype=pl.String)]
    for name, kind in schema.items():
        if name not in {ITEM, USER, POSITIVE}:
            values = pl.Series(name, [event.get(name) for event in events], strict=False)
            columns.append(values.cast(kind, strict=False))
    table = pl.DataFrame(columns)
    chosen = pl.Series([event.get("positive") is not False for event in events], dtype=pl.Boolean)
    positive = chosen & _positive(events, settled)
    if POSITIVE in schema or not positive.all():
        table = table.with_columns(positive.alias(POSITIVE))
    return table


def _positive(events: Sequence[Mapping[str, Any]], settled: Mapping[str, Any]) -> pl.Series:
    """Mark the positive targets among events by what they say themselves; what they do not say counts for them."""
    said = {
        "behavior": pl.Series([event.get("behavior") for event in events], dtype=pl.String),
        "rating": pl.Series([event.get("rating") for event in events], dtype=pl.Float64),
        "quantity": pl.Series([event.get("quantity") for event in events], dtype=pl.Float64),
    }
    table = pl.DataFrame({name: column for name, column in said.items() if column.is_not_null().any()})
    if not table.width:
        return pl.repeat(True, len(events), dtype=pl.Boolean, eager=True)
    return positives_as_settled(table, settled, label="events")


def _is_word(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.Categorical | pl.Enum)
