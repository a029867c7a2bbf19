"""Tell which columns of a log describe its items: those that all events of an item have in common."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from llmrec.data.cleaning.outcome_columns import says_outcome
from llmrec.data.columns import ITEM, NUMBERS, TITLE, USER

_MOSTLY = 0.5
# An item's rows must agree this often: in some logs the column called title is the review's.
LEAST_AGREEMENT = 0.9
# A column that is not called so must agree nearly always, where by chance so many pairs of events would not, and
# differ in no more than this part of those: a word that nearly all events have agrees whatever it says.
_AGREED, _LEAST_BY_CHANCE, _MOST_OF_CHANCE = 0.99, 20.0, 0.1
# Most columns of events differ within their first rows already.
_FIRST_ROWS = 100_000
# Of a longer log the events of a part of the items are compared.
_MOST_ROWS = 2_000_000
# Ids such as "Half-Life 2" or "The Elder Scrolls V" are text that a model can read.
_WORDS, _SHARE_OF_WORDS = r"\p{L}{2}.*\s\S", 0.3


def agreement(events: pl.DataFrame, column: str, key: str = ITEM) -> float:
    """Return how often the events of one item have its most frequent text, 1 where no item has several.

    ``key``: what has events, such as users instead of items.
    """
    text = events.select(key, pl.col(column).cast(pl.String)).drop_nulls()
    counts = text.group_by(key, column).len()
    modes = counts.group_by(key).agg(mode=pl.col("len").max(), all=pl.col("len").sum()).filter(pl.col("all") > 1)
    return int(modes["mode"].sum()) / int(modes["all"].sum()) if modes.height else 1.0


def describe_items(events: pl.DataFrame, columns: Sequence[str]) -> list[str]:
    """Return those columns of text that different users' events of an item share, more than chance explains.

    Blank cells are text, too: a coupon of one item is not in all its events. What a user's events share as well,
    as a country that has its own items, may be the user's and is not among them; nor is how an event ended.
    ``events``: with ``item_id`` as codes.
    """
    texts = [
        name
        for name in columns
        if events[name].dtype == pl.String and name not in NUMBERS and not says_outcome(name)
    ]
    first = events.head(_FIRST_ROWS).with_columns(pl.col(texts).fill_null(""))
    texts = [name for name in texts if agreement(first, name) >= _AGREED]
    if not texts:
        return []
    part = events.height // _MOST_ROWS + 1
    pairs = events.filter(pl.col(ITEM) % part == 0) if part > 1 else events
    pairs = pairs.select(USER, ITEM, pl.col(texts).fill_null(""))
    pairs = pairs.unique([USER, ITEM], keep="first", maintain_order=True)
    return [name for name in texts if _is_shared(pairs, name, ITEM) and not _is_shared(pairs, name, USER)]


def are_words(ids: pl.Series) -> bool:
    """Whether ids are names of items rather than codes."""
    return float(ids.str.contains(_WORDS).mean() or 0.0) >= _SHARE_OF_WORDS  # type: ignore[arg-type]


def share_with_text(items: pl.DataFrame) -> float:
    """Return the share of a catalog's items whose title says more than their id, or whose ids are names."""
    ids = items.filter(pl.col(TITLE) == pl.col(ITEM))[ITEM]
    return 1 - (0 if are_words(ids) else ids.len()) / max(items.height, 1)


def mostly_with_text(items: pl.DataFrame) -> bool:
    """Whether most items of a catalog have text that says more than their id."""
    return share_with_text(items) >= _MOSTLY


def _is_shared(pairs: pl.DataFrame, column: str, key: str) -> bool:
    """Whether the events of one ``key`` have the same text, where texts drawn at random would differ."""
    shares = pairs[column].value_counts()["count"] / max(pairs.height, 1)
    chance = 1 - float((shares**2).sum())
    if (pairs.height - pairs[key].n_unique()) * chance < _LEAST_BY_CHANCE:
        return False
    return 1 - agreement(pairs, column, key) <= min(1 - _AGREED, _MOST_OF_CHANCE * chance)
