"""The data sets that llmrec can fetch by name: what each is, its terms, and how its files are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from llmrec.data.columns import USER
from llmrec.data.readers.column_names import name_events, name_items
from llmrec.data.readers.read import read_raw
from llmrec.errors import DataError


@dataclass(frozen=True)
class Builtin:
    """A data set with a name. ``events`` is the name of its log's file; both readers are given its folder."""

    description: str
    license: str
    events: str
    read_events: Callable[[Path], pl.DataFrame]
    read_items: Callable[[Path], pl.DataFrame]


def builtin(name: str) -> Builtin:
    """Return a built-in data set. Raises DataError for an unknown name."""
    if name not in BUILTIN:
        raise DataError(f"there is no built-in data set '{name}'; choose from: {', '.join(BUILTIN)}")
    return BUILTIN[name]


# A RecBole token sequence is separated by spaces; no MovieLens genre has one inside.
_GENRES = pl.col("genres").str.replace_all(" ", ", ", literal=True)


def _ml_100k_events(folder: Path) -> pl.DataFrame:
    return read_raw(folder / "ml-100k.inter")


def _ml_100k_items(folder: Path) -> pl.DataFrame:
    items = name_items(read_raw(folder / "ml-100k.item"), label="ml-100k.item")
    # The file's own slips: the year of a film with a Roman numeral in brackets, the film called "unkonwn".
    return items.with_columns(
        pl.when(pl.col("year").str.contains(r"^\d{4}$")).then("year"),
        pl.when(_GENRES != "unknown").then(_GENRES),
    )


def _ml_1m_events(folder: Path) -> pl.DataFrame:
    # The wheel marks the users of its several logs; without the mark they are GroupLens's own numbers.
    return name_events(read_raw(folder / "ml-1m.inter"), label="ml-1m.inter").with_columns(
        pl.col(USER).str.strip_prefix("1m_")
    )


def _ml_1m_items(folder: Path) -> pl.DataFrame:
    items = name_items(read_raw(folder / "ml-1m.item"), label="ml-1m.item")
    return items.with_columns(pl.col("year").cast(pl.Int64).cast(pl.String), _GENRES)  # its years are decimals


_GROUPLENS = "GroupLens: research use, no redistribution"

BUILTIN = {
    "ml-100k": Builtin(
        "MovieLens 100K: 100,000 ratings of 1,682 films by 943 users, 1997 to 1998",
        _GROUPLENS,
        "ml-100k.inter",
        _ml_100k_events,
        _ml_100k_items,
    ),
    "ml-1m": Builtin(
        "MovieLens 1M: 1,000,209 ratings of 3,706 films by 6,040 users, 2000 to 2003; ids are titles (year)",
        _GROUPLENS,
        "ml-1m.inter",
        _ml_1m_events,
        _ml_1m_items,
    ),
}
