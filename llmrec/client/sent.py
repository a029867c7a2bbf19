"""What a client sends: histories and filters as JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import polars as pl

from llmrec.data import Dataset, Fold, Histories
from llmrec.data.columns import BEHAVIOR, ITEM, NUMBERS, POSITIVE, TIME
from llmrec.data.ids import id_of, ids_of
from llmrec.data.readers.frames import is_table
from llmrec.errors import DataError
from llmrec.retrieval.calibration import Calibration, Diversity
from llmrec.retrieval.filters import Filter

# What a service takes of an event besides the item.
EVENT_FIELDS = (TIME, BEHAVIOR, *NUMBERS, POSITIVE)
# Histories or what reads as such, see ``queries_of``, or ids of users whom the service knows.
HistoriesOrUsers = Any


def queries_of(histories: HistoriesOrUsers) -> tuple[list[str], list[dict[str, Any]]]:
    """Return user ids, and what is sent of each one's history: the id alone where the service knows it.

    ``histories``: also a Fold, a Dataset, a table, lists of item ids; else ids of users. Raises DataError.
    """
    if isinstance(histories, Fold | Dataset):
        histories = histories.histories
    elif is_table(histories):
        histories = Histories.from_events(histories)
    elif isinstance(histories, Mapping) or _are_lists(histories):
        histories = Histories.of(histories)
    if not isinstance(histories, Histories):
        users = ids_of([histories] if isinstance(histories, str | int) else histories, label="user ids")
        return users, [{"user_id": user} for user in users]
    users, fields = list(histories.user_ids), [name for name in EVENT_FIELDS if name in histories.events.columns]
    if not fields:
        return users, [{"history": items} for items in histories]
    rows = histories.events.select(ITEM, *fields).rename({POSITIVE: "positive"}, strict=False).to_dicts()
    bounds = list(zip(histories.offsets[:-1], histories.offsets[1:], strict=True))
    return users, [{"events": [present(row) for row in rows[start:stop]]} for start, stop in bounds]


def _are_lists(values: object) -> bool:
    """Whether something is a list, or a Series, of lists of items."""
    listed: list[object] = (
        values.to_list() if hasattr(values, "to_list") else values if isinstance(values, list) else []
    )
    return bool(listed) and all(isinstance(value, list | tuple) for value in listed)


def events_of(events: Sequence[str | int | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a user's events as they are sent. Raises DataError for text, which is no list of events."""
    if isinstance(events, str | bytes | Mapping):
        raise DataError(f"events are a list of item ids or of events, not {events!r}; write [{events!r}]")
    return [dict(event) if isinstance(event, Mapping) else {ITEM: id_of(event)} for event in events]


def filter_value(wanted: Filter | None) -> dict[str, Any] | None:
    """Return a filter as it is sent. Raises DataError for conditions that are no text."""
    if wanted is None:
        return None
    if not isinstance(wanted, Filter):
        raise DataError(f"a Filter is needed, not a {type(wanted).__name__}; write llmrec.Filter('price < 50')")
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


def diversity_value(diversity: Diversity) -> dict[str, Any]:
    """Return as it is sent how diverse lists shall be."""
    if isinstance(diversity, Calibration):
        return {"diversity": diversity.weight, "calibrate": diversity.column}
    return {"diversity": diversity}


def address(folder: str, name: str) -> str:
    """Return where an item or a user of an id is; dots alone would name a folder."""
    return f"/{folder}/{name.replace('.', '%2E') if name in {'.', '..'} else quote(name, safe='')}"


def present(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is not None."""
    return {name: value for name, value in values.items() if value is not None}
