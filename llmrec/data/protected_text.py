"""Text as exporters protect it from spreadsheets: ="00123", '00123, and 'a' in single quotes; and without that."""

from __future__ import annotations

import re
from collections.abc import Sequence

import polars as pl

# How a regular expression writes the words for nothing that stand unprotected among protected ids.
NOTHING = r"nan|n/?a|<na>|none|null|-"
_FORMULA, _QUOTED, _APOSTROPHE = r'(?s)^="(.*)"$', r"(?s)^'(.*)'$", r"(?s)^'(.*[^'])$"
# What a mark within a cell is doubled to.
_DOUBLED = {_FORMULA: '"', _QUOTED: "'"}
# Some titles begin with an apostrophe ('Salem's Lot): that alone is no sign.
_DOUBTFUL = r"""^="|^'\d+$|^'[^']*'$"""
_NOTHING = rf"(?i)^(?:{NOTHING})?$"


def unprotected(text: pl.Series, *, apostrophes: bool) -> pl.Series:
    """Return the same text, or without what protects all of its cells that are not blank.

    ``apostrophes``: whether one before each cell protects it, too, as before ids; titles may begin with it.
    """
    cells = _cells(text)
    if cells.is_empty() or not str(cells[0]).startswith(("=", "'")):
        return text
    for pattern in (_FORMULA, _QUOTED, *([_APOSTROPHE] if apostrophes else [])):
        if cells.str.contains(pattern).all():
            mark = _DOUBLED.get(pattern, "")
            bare = text.str.replace(pattern, "$1")
            return bare.str.replace_all(mark * 2, mark, literal=True) if mark else bare
    return text


def doubt_of(text: pl.Series) -> str:
    """Return what to say of ids of which some are protected and others are not, "" where none is."""
    cells = _cells(text)
    marked = cells.filter(cells.str.contains(_DOUBTFUL)) if cells.str.contains(r"^[=']").any() else cells.clear()
    if marked.is_empty():
        return ""
    return (
        f"{len(marked):,} of {len(cells):,} ids are written as {marked[0]}, which others are not: they stay so; "
        "export all in one form"
    )


def bare_names(names: Sequence[str]) -> list[str]:
    """Return the names of columns, without what protects all of them."""
    for pattern in (_FORMULA, _QUOTED):
        matches = [re.match(pattern, name) for name in names if name]
        if matches and all(matches):
            return [re.sub(pattern, r"\1", name) for name in names]
    return [*names]


def _cells(text: pl.Series) -> pl.Series:
    """Return the cells that say something."""
    some = text.drop_nulls()
    return some.filter(~some.str.contains(_NOTHING))
