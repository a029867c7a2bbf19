"""What a client sends: histories and filters as JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from llmrec.data import Histories
from llmrec.data.columns import BEHAVIOR, ITEM, NUMBERS, POSITIVE, TIME
from llmrec.data.ids import ids_of
from llmrec.errors import DataError
from llmrec.retrieval.filters import Filter

# What a service takes of an event besides the item.
EVENT_FIELDS = (TIME, BEHAVIOR, *NUMBERS, POSITIVE)


def queries_of(histories: Histories | str | Sequence[str]) -> tuple[list[str], list[dict[str, Any]]]:
    """Return user ids, and what is sent of each one's history: the id alone where the service knows it."""
    if not isinstance(histories, Histories):
        users = ids_of([histories] if isinstance(histories, str | int) else histories, label="user ids")
        return users, [{"user_id": user} for user in users]
    users, fields = list(histories.user_ids), [name for name in EVENT_FIELDS if name in histories.events.columns]
    if not fields:
        return users, [{"history": items} for items in histories]
    rows = histories.events.select(ITEM, *fields).rename({POSITIVE: "positive"}, strict=False).to_dicts()
    bounds = list(zip(histories.offsets[:-1], histories.offsets[1:], strict=True))
    return users, [{"events": [present(row) for row in rows[start:stop]]} for start, stop in bounds]


def filter_value(wanted: Filter | None) -> dict[str, Any] | None:
    """Return a filter as it is sent. Raises DataError for conditions that are no text."""
    if wanted is None:
        return None
    conditions = [wanted.where] if isinstance(wanted.where, str | pl.Expr) else list(wanted.where)
    for condition in conditions:
        if not isinstance(condition, str):
            raise DataError(f"a service takes conditions as text, such as 'price < 50', not {condition}")
    return present(
        {
            "where": conditions,
            "allow": None if wanted.allow is None else list(wanted.allow),
            "deny": list(wanted.deny),
            "at_most": dict(wanted.at_most),
            "boosts": dict(wanted.boosts),
        }
    )


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is not None."""
    return {name: value for name, value in values.items() if value is not None}
