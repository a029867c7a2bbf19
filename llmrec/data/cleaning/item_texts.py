"""Tell which columns of a log describe its items: those that all events of an item have in common."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from llmrec.data.columns import ITEM, USER

# An item's rows must agree this often: in some logs the column called title is the review's.
LEAST_AGREEMENT = 0.9
# A column that is not called so must agree nearly always, where by chance so many pairs of events would not.
_AGREED, _LEAST_BY_CHANCE = 0.99, 20.0
# Most columns of events differ within their first rows already.
_FIRST_ROWS = 100_000
# Of a longer log the events of a part of the items are compared.
_MOST_ROWS = 2_000_000
# Ids such as "Half-Life 2" or "The Elder Scrolls V" are text that a model can read.
_WORDS, _SHARE_OF_WORDS = r"\p{L}{2}.*\s\S", 0.3


def agreement(events: pl.DataFrame, column: str) -> float:
    """Return how often the events of one item have its most frequent text, 1 where no item has several."""
    text = events.select(ITEM, pl.col(column).cast(pl.String)).drop_nulls()
    counts = text.group_by(ITEM, column).len()
    modes = counts.group_by(ITEM).agg(mode=pl.col("len").max(), all=pl.col("len").sum()).filter(pl.col("all") > 1)
    return int(modes["mode"].sum()) / int(modes["all"].sum()) if modes.height else 1.0


def describe_items(events: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return those columns of text that different users' events of an item share, more than chance explains.

    ``events``: with ``item_id`` as codes.
    """
    texts = [
        name for name in columns if events[name].dtype == pl.String and events[name].null_count() < events.height
    ]
    texts = [name for name in texts if agreement(events.head(_FIRST_ROWS), name) >= _AGREED]
    if not texts:
        return []
    part = events.height // _MOST_ROWS + 1
    pairs = events.filter(pl.col(ITEM) % part == 0) if part > 1 else events
    pairs = pairs.select(USER, ITEM, *texts).unique([USER, ITEM], keep="first", maintain_order=True)
    return [
        name for name in texts if _by_chance(pairs, name) >= _LEAST_BY_CHANCE and agreement(pairs, name) >= _AGREED
    ]


def are_words(ids: pl.Series) -> bool:
    """Whether ids are names of items rather than codes."""
    return float(ids.str.contains(_WORDS).mean() or 0.0) >= _SHARE_OF_WORDS  # type: ignore[arg-type]


def _by_chance(pairs: pl.DataFrame, column: str) -> float:
    """Return how many events would differ from an earlier one of their item if texts were drawn at random."""
    text = pairs.select(ITEM, column).drop_nulls()
    if text.is_empty():
        return 0.0
    shares = text[column].value_counts()["count"] / text.height
    return (text.height - text[ITEM].n_unique()) * (1 - float((shares**2).sum()))
