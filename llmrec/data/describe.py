"""Say what a data set holds."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from llmrec.data.columns import ITEM, TIME, TITLE
from llmrec.data.dataset import Dataset


def describe(data: Dataset) -> pl.DataFrame:
    """Return the facts one looks at first, as rows ``what, value``."""
    lengths = data.histories.lengths()
    counts = np.sort(data.events[ITEM].value_counts()["count"].to_numpy())[::-1]
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
        "repeated items": "normal here, stay recommendable" if data.repeats_are_normal else "rare, left out",
        "event columns": ", ".join(data.events.columns),
        "item columns": ", ".join(data.catalog.table.columns),
        "fingerprint": data.fingerprint[:16],
    }
    return pl.DataFrame({"what": list(rows), "value": list(rows.values())})


def _range(lengths: npt.NDArray[np.int64]) -> str:
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
