"""Columns that say how an event ended, by their names: a status, a flag of returns, clicks or likes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeVar

import polars as pl

from llmrec.data.cleaning.behaviors import strengths_of
from llmrec.data.columns import BEHAVIOR

_STATUS = re.compile(
    r"(^|[\s_.-])(status|state|outcome|feedback|reaction|vote|resolution)$|^rating_text$|^thumbs?$", re.I
)
# A column of more different texts than this says something else.
_MOST_WORDS = 100
_BAD = ("down", "bad", "negative", "poor", "awful", "terrible")
_SENT_BACK = re.compile(
    r"^(is_?|was_?)?(return|returned|refund|refunded|cancel|canceled|cancelled|dislike|disliked|hate|hated|voided"
    r"|skip|skipped)$",
    re.I,
)
# When it was: filled for what was, blank for the rest. A date of return may be that of a loan that went well.
_SENT_BACK_AT = re.compile(
    r"^(cancel+ed|cancel+ation|refund|refunded|void|voided)[\s_.-]*(at|on|date|time)$", re.I
)
_UNCLEAR = re.compile(
    r"^(is_?|was_?)?(click|clicked|like|liked|recommend|recommended|label|target|purchase|purchased|bought|ordered"
    r"|voted?_?up|up_?voted?|thumbs?_?up)$",
    re.I,
)
_AMOUNT = re.compile(r"(^|[\s_.-])(amount|total|revenue|sales|units|count|qty)$", re.I)
Blankable = TypeVar("Blankable", pl.Series, pl.Expr)
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


def says_outcome(name: str) -> bool:
    """Whether a column is named for how an event ended."""
    return any(pattern.search(name) for pattern in (_STATUS, _SENT_BACK, _SENT_BACK_AT, _UNCLEAR))


def is_status(column: pl.Series) -> bool:
    """Whether a column says in words how an event ended."""
    return bool(_STATUS.search(column.name)) and column.name != BEHAVIOR and column.dtype == pl.String


def is_blank(cells: Blankable) -> Blankable:
    """Mark the cells that hold nothing, or blanks."""
    return cells.cast(pl.String).str.strip_chars().fill_null("") == ""


def negative_outcomes(events: pl.DataFrame) -> Iterator[tuple[str, pl.Expr]]:
    """Yield by reason the events that were sent back, cancelled or disliked, by other columns than behavior."""
    for column in events.get_columns():
        if is_status(column):
            for word in _negative_words(column):
                yield f"{column.name} {word}", pl.col(column.name) == word
        elif _SENT_BACK.match(column.name) and _is_flag(column):
            yield f"{column.name}", _is_true(column.name)
        elif _SENT_BACK_AT.match(column.name) and is_blank(column).any():
            yield f"{column.name}", ~is_blank(pl.col(column.name))


def unclear_outcomes(events: pl.DataFrame) -> Iterator[str]:
    """Say which columns may mark events that are no positive targets, and count as such all the same."""
    for column in events.get_columns():
        if _UNCLEAR.match(column.name) and _is_flag(column) and column.n_unique() > 1:
            yes = f"{column.name} = 1" if column.dtype.is_numeric() else column.name
            yes = yes if column.dtype != pl.String else f"{column.name} = '{_true_word(column)}'"
            yield f'events count whatever {column.name} is; if it says which should: --positive "{yes}"'
        elif _is_signed(column.name) and column.dtype.is_numeric() and _has_both_signs(column):
            count = int((column < 0).sum())
            yield (
                f"{column.name} is below 0 in {count:,} events, which count: if these are returns or dislikes, "
                f'--positive "{column.name} > 0"'
            )


def _negative_words(column: pl.Series) -> list[str]:
    words = column.unique().drop_nulls().sort().to_list()
    if len(words) > _MOST_WORDS:
        return []
    strengths = strengths_of(words)
    return [word for word in words if (strengths[word] or 0) < 0 or word.strip().lower() in _BAD]


def _is_flag(column: pl.Series) -> bool:
    if column.dtype == pl.Boolean:
        return True
    if column.dtype != pl.String and not column.dtype.is_numeric():
        return False
    words = column.unique().drop_nulls().cast(pl.String).str.to_lowercase().str.replace(r"\.0$", "").to_list()
    return set(words) <= {*_TRUE, *_FALSE, ""}


def _is_signed(name: str) -> bool:
    """Whether a column is named for what returns or dislikes make negative."""
    return any(pattern.search(name) for pattern in (_AMOUNT, _UNCLEAR))


def _is_true(name: str) -> pl.Expr:
    text = pl.col(name).cast(pl.String).str.to_lowercase().str.replace(r"\.0$", "")
    return text.is_in(_TRUE)


def _true_word(column: pl.Series) -> str:
    words = column.unique().drop_nulls().to_list()
    return next((word for word in words if word.lower() in _TRUE), "yes")


def _has_both_signs(column: pl.Series) -> bool:
    return bool((column < 0).any()) and bool((column > 0).any())
