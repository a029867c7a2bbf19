"""Behaviors in order of strength; scaled columns."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from llmrec.data.cleaning.behavior_names import NEGATIVE, REMOVALS, RETURNS, STRENGTHS
from llmrec.data.cleaning.number_cells import require_numbers
from llmrec.data.cleaning.table import EventTable
from llmrec.data.columns import BEHAVIOR, STRENGTH
from llmrec.data.ids import whole_number
from llmrec.errors import DataError

_PUNCTUATION = r"[\s_-]"
# One of these among the words of a name (item_returned, paymentFailed) says the same as alone.
_NEGATIVE_WORDS = frozenset(
    {
        *("returned", "refund", "refunded", "refunds", "chargeback", "dislike", "disliked", "unlike", "unliked"),
        *(
            "cancel",
            "canceled",
            "cancelled",
            "cancellation",
            "remove",
            "removed",
            "removal",
            "downvote",
            "downvoted",
        ),
        *("declined", "rejected", "failed", "voided"),
    }
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_SHOWN, _LARGEST = 10, 127


def is_return(behavior: pl.Expr) -> pl.Expr:
    """Whether an event takes something back, so that its price or quantity may be negative."""
    return _plain(behavior).is_in([*RETURNS, *REMOVALS, "dislike"]).fill_null(False)


def strengths_of(words: Iterable[str]) -> dict[str, int | None]:
    """Return how strongly each behavior speaks for an item, None where its name is not known."""
    return {word: _strength(word) for word in words}


def with_strength(events: EventTable, more: Mapping[str, int]) -> EventTable:
    """Add ``strength`` (Int8): -1 return or dislike, 1 view, 2 like, 3 cart, 4 purchase; null where not known.

    ``more`` gives the strength of other names, or other strengths. Raises DataError where it cannot be used.
    """
    if BEHAVIOR not in events.frame.columns:
        if more:
            raise DataError(
                f"{events.label}: strengths are given, but there is no behavior column; drop --strength"
            )
        return events
    given = {_plain_text(word): _checked(strength, word) for word, strength in more.items()}
    names = (
        events.frame.select(pl.col(BEHAVIOR).cast(pl.String).unique().drop_nulls().sort()).to_series().to_list()
    )
    unused = [word for word in more if _plain_text(word) not in set(map(_plain_text, names))]
    if unused:
        known = ", ".join(names[:_SHOWN])
        raise DataError(f"{events.label}: --strength {unused[0]}: no event has this behavior; they are {known}")
    strengths = {name: given.get(_plain_text(name), _strength(name)) for name in names}
    note = ", ".join(f"{name}={strength}" for name, strength in strengths.items() if strength is not None)
    column = (
        pl.col(BEHAVIOR)
        .cast(pl.String)
        .replace_strict(names, list(strengths.values()), default=None, return_dtype=pl.Int8)
    )
    recorded = events.record("behaviors in order of strength", note=note)
    if unknown := [name for name, strength in strengths.items() if strength is None]:
        shown = ", ".join(f"'{name}'" for name in unknown[:_SHOWN]) + (" ..." if len(unknown) > _SHOWN else "")
        note = f"{shown}: they count as positive targets; give a strength with --strength {unknown[0]}=2"
        recorded = recorded.record("behaviors of no known strength", note=note, level=logging.WARNING)
    return recorded.with_frame(events.frame.with_columns(column.alias(STRENGTH)))


def scale_columns(events: EventTable, columns: Sequence[str]) -> EventTable:
    """Add ``COLUMN_scaled``: less its mean, over its standard deviation; the step's note has both.

    They are those of the whole log: a model that must not use the mean of future events scales by itself.
    """
    require_numbers(events.steps, {column: f"--scale {column}" for column in columns}, label=events.label)
    for column in columns:
        frame = events.frame
        if column not in frame.columns or not frame[column].dtype.is_numeric():
            raise DataError(f"{events.label}: cannot scale '{column}': there is no such column of numbers")
        values = frame[column].cast(pl.Float64).fill_nan(None)
        mean, deviation = _number(values.mean()), _number(values.std())
        width = deviation if deviation > 0 else 1.0
        recorded = events.record(f"{column} scaled", note=f"mean {mean:.6g}, deviation {deviation:.6g}")
        events = recorded.with_frame(frame.with_columns(((values - mean) / width).alias(f"{column}_scaled")))
    return events


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _checked(strength: int, word: str) -> int:
    strength = whole_number(strength, label=f"the strength of {word}", least=-_LARGEST)
    if strength > _LARGEST:
        raise DataError(f"the strength of {word} must be at most {_LARGEST}, got {strength}")
    return strength


def _strength(name: str) -> int | None:
    strength = STRENGTHS.get(_plain_text(name))
    if strength is not None:
        return strength
    words = [word.lower() for word in _WORD.findall(name)]
    negative = not _NEGATIVE_WORDS.isdisjoint(words) or words[-1:] in (["return"], ["returns"])
    return NEGATIVE if negative else None


def _plain(behavior: pl.Expr) -> pl.Expr:
    return behavior.cast(pl.String).str.replace_all(_PUNCTUATION, "").str.to_lowercase()


def _plain_text(word: str) -> str:
    return str(pl.select(_plain(pl.lit(word))).item())
