"""The data sets that llmrec can fetch by name: what each is, its terms, and how its files are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from llmrec.data.readers.column_names import name_items
from llmrec.data.readers.read import read_raw
from llmrec.errors import DataError


@dataclass(frozen=True)
class Builtin:
    """A data set with a name. ``events`` is its log's file; ``read_items`` reads the catalog from its folder."""

    description: str
    license: str
    events: str
    read_items: Callable[[Path], pl.DataFrame]


def builtin(name: str) -> Builtin:
    """Return a built-in data set. Raises DataError for an unknown name."""
    if name not in BUILTIN:
        raise DataError(f"there is no built-in data set '{name}'; choose from: {', '.join(BUILTIN)}")
    return BUILTIN[name]


def _ml_100k_items(folder: Path) -> pl.DataFrame:
    items = name_items(read_raw(folder / "ml-100k.item"), label="ml-100k.item")
    # A RecBole token sequence is separated by spaces; no MovieLens genre has one inside.
    genres = pl.col("genres").str.replace_all(" ", ", ", literal=True)
    # The file's own slips: the year of a film with a Roman numeral in brackets, the film called "unkonwn".
    return items.with_columns(
        pl.when(pl.col("year").str.contains(r"^\d{4}$")).then("year"),
        pl.when(genres != "unknown").then(genres),
    )


BUILTIN = {
    "ml-100k": Builtin(
        "MovieLens 100K: 100,000 ratings of 1,682 films by 943 users, 1997 to 1998",
        "GroupLens: research use, no redistribution",
        "ml-100k.inter",
        _ml_100k_items,
    )
}
