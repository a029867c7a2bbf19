"""Describe a data set: counts, lengths, times, behaviors, text, warnings."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Int64s
from llmrec.data.cleaning.item_texts import mostly_with_text, share_with_text
from llmrec.data.columns import BEHAVIOR, ITEM, TIME, TITLE, USER
from llmrec.data.dataset import Dataset
from llmrec.data.splits.leaks import check
from llmrec.data.splits.split import Split
from llmrec.errors import DataError


def describe(data: Dataset) -> pl.DataFrame:
    """Return what one looks at first, as rows ``what, value``."""
    lengths = data.histories.lengths()
    counts = popularity(data)
    tenth = max(len(counts) // 10, 1)
    titles = data.catalog.table[TITLE]
    rows = {
        "events": f"{data.events.height:,}",
        "users": f"{data.n_users:,}",
        "items": f"{len(data.catalog):,}",
        "history length, median": f"{np.median(lengths):,.0f}" if len(lengths) else "",
        "history length, 5 % to 95 %": _range(lengths),
        "users with fewer than 3 events": f"{int((lengths < 3).sum()):,}",
        "events on the most popular tenth of items": f"{counts[:tenth].sum() / max(counts.sum(), 1):.0%}",
        "items with the title of another": f"{int(titles.is_duplicated().sum()):,}",
        "time": _span(data),
        **_gaps(data),
        **_behaviors(data),
        "positive targets": str(data.positive) or "every event",
        "items whose title is text, not the id": f"{share_with_text(data.catalog.table):.0%}",
        "repeated items": "normal here, stay recommendable" if data.repeats_are_normal else "rare, left out",
        "event columns": ", ".join(data.events.columns),
        "item columns": ", ".join(data.catalog.table.columns),
        "fingerprint": data.fingerprint[:16],
        **{f"warning {n}": text for n, text in enumerate(warnings(data), start=1)},
    }
    return pl.DataFrame({"what": list(rows), "value": list(rows.values())})


def warnings(data: Dataset) -> list[str]:
    """Return what could spoil a result: leaks under leave-last-out, and items without text."""
    messages = []
    if not mostly_with_text(data.catalog.table):
        messages.append("most items have no text but their id: a language model has nothing to read")
    try:
        split = Split.leave_last_out(data)
    except DataError as error:
        return [*messages, str(error)]
    return [*messages, *(f"{finding.name} ({finding.severity}): {finding.message}" for finding in check(split))]


def gaps(data: Dataset) -> Int64s | Float64s:
    """Return the seconds between successive events of a user; none for order-only data."""
    if data.order_only:
        return np.zeros(0, dtype=np.int64)
    pause = pl.col(TIME) - pl.col(TIME).shift(1)
    same = pl.col(USER) == pl.col(USER).shift(1)
    return data.events.select(pl.when(same).then(pause)).to_series().drop_nulls().to_numpy()


def popularity(data: Dataset) -> Int64s:
    """Return the number of events of each item that has any, largest first."""
    return np.sort(data.events[ITEM].value_counts()["count"].to_numpy())[::-1].astype(np.int64)


def _gaps(data: Dataset) -> dict[str, str]:
    pauses = gaps(data)
    if not len(pauses):
        return {}
    low, middle, high = (_duration(float(value)) for value in np.percentile(pauses, [25, 50, 75]))
    return {"pause between events, quartiles": f"{low}, {middle}, {high}"}


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"


def _behaviors(data: Dataset) -> dict[str, str]:
    if BEHAVIOR not in data.events.columns:
        return {}
    counts = data.events[BEHAVIOR].value_counts(sort=True)
    return {"behaviors": ", ".join(f"{name} {count:,}" for name, count in counts.head(8).iter_rows())}


def _range(lengths: Int64s) -> str:
    if not len(lengths):
        return ""
    low, high = np.percentile(lengths, [5, 95])
    return f"{low:,.0f} to {high:,.0f}"


def _span(data: Dataset) -> str:
    if data.order_only:
        return "order only"
    times = data.events[TIME].cast(pl.Int64)
    ends = times.sort()[[0, -1]].to_list()
    first, last = (datetime.fromtimestamp(end, UTC).date() for end in ends)
    return f"{first} to {last}"
