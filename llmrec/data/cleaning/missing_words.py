"""Words that stand for nothing (NA, null, None, nan, \\N): as an id, they are nobody and no item."""

from __future__ import annotations

import logging

import numpy as np
import polars as pl

from llmrec.data.cleaning.table import EventTable
from llmrec.data.columns import ITEM, SESSION, USER
from llmrec.data.id_codes import EncodedIds

# Case and surrounding spaces do not matter.
MISSING_WORDS = (
    *("", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "nat", "null", "(null)", "<null>", "nil", "none"),
    *("\\n", "undefined", "(none)", "(not set)", "[null]", "-", "--", "?", "."),
    *("#null!", "#ref!", "#value!", "#name?", "#num!", "#div/0!", "n.a.", "not available"),
)
# As an id they are nobody, or many at once; elsewhere they may be a category.
_NOBODY = ("unknown", "anonymous", "missing", "not provided", "not specified")
# An id with more than this share of the events, and more than so many times an even share, may be no single one.
_SHARE = 0.2
_TIMES_EVEN = 5


def is_missing_word(text: pl.Expr) -> pl.Expr:
    """Whether text says that there is nothing."""
    return text.str.strip_chars().str.to_lowercase().is_in(MISSING_WORDS)


def without_missing_cells(column: pl.Series) -> pl.Series:
    """Return text without blanks around it, null for the words for nothing."""
    stripped = pl.DataFrame([column.str.strip_chars().alias("cell")])
    return stripped.select(pl.when(~is_missing_word(pl.col("cell"))).then("cell").alias(column.name)).to_series()


def without_words(column: pl.Series) -> tuple[pl.Series, str]:
    """Return text with null for the words for nothing, and a note that counts them, "" where there are none."""
    cell = pl.col(column.name)
    marks = column.to_frame().select(is_missing_word(cell) & (cell.str.strip_chars() != "")).to_series()
    marks = marks.fill_null(False)
    if not marks.any():
        return column, ""
    words = column.filter(marks)
    note = f"{len(words):,} of {len(column):,} cells, such as {words[0]!r}, are read as blank"
    return pl.select(pl.when(~marks).then(column)).to_series().alias(column.name), note


def drop_missing_words(events: EventTable) -> EventTable:
    """Remove events whose user or item is a word for nothing; the step counts the events of each."""
    for column, names in ((USER, events.users), (ITEM, events.items)):
        words = _words(names)
        if not len(words):
            continue
        codes = events.frame[column]
        counts = np.bincount(codes.to_numpy(), minlength=len(names))
        shown = ", ".join(f"{names[code]} {counts[code]:,}" for code in words.to_list() if counts[code])
        hint = "; name another column of users, such as the session: --column user_id=NAME"
        session = hint if column == USER and SESSION in events.frame.columns else ""
        events = events.filter(
            ~codes.is_in(words.implode()),
            f"{column} is a word for nothing",
            note=f"{shown}; --keep-missing-words keeps them{session}" if shown else "",
        )
    return events


def without_missing_words(ids: EncodedIds) -> pl.Series:
    """Write ids as text, null for the words for nothing."""
    words = _words(ids.names)
    text = ids.text()
    return text if not len(words) else pl.select(pl.when(~ids.codes.is_in(words.implode())).then(text)).to_series()


def warn_of_outsized(events: EventTable) -> EventTable:
    """Warn of a user or an item that has an outsized share of the events: anonymous users under one id, say."""
    for column, names in ((USER, events.users), (ITEM, events.items)):
        if events.frame.is_empty():
            return events
        counts = np.bincount(events.frame[column].to_numpy(), minlength=len(names))
        code, n_ids = int(counts.argmax()), int((counts > 0).sum())
        share = counts[code] / events.frame.height
        if share <= _SHARE or share * n_ids <= _TIMES_EVEN:
            continue
        note = (
            f"{column} {names[code]!r} has {counts[code]:,} of {events.frame.height:,} events ({share:.0%}); "
            f"if it stands for many, drop it: --drop-where \"{column} = '{names[code]}'\""
        )
        events = events.record("outsized id", note=note, level=logging.WARNING)
    return events


def _words(names: pl.Series) -> pl.Series:
    """Return the codes of the names that are words for nothing."""
    text = pl.col("name").str.strip_chars().str.to_lowercase()
    named = names.to_frame("name").select(text.is_in((*MISSING_WORDS, *_NOBODY))).to_series()
    return named.arg_true()
