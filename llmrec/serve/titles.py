"""Search the catalog by words of its titles."""

from __future__ import annotations

import unicodedata

import polars as pl

from llmrec.data import Catalog
from llmrec.data.columns import ITEM, TITLE

_WORDS = "words"


class TitleSearch:
    """The titles of a catalog's items, without removed ones; case, width and accents do not matter."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        folded = pl.Series(_WORDS, [f" {_folded(title or '')}" for title in catalog.titles], dtype=pl.String)
        table = catalog.table.select(ITEM, TITLE).with_columns(folded)
        self._table = table if catalog.removed is None else table.filter(~catalog.removed)

    def search(self, query: str, most: int) -> pl.DataFrame:
        """Return ``item_id, title`` of at most ``most`` items.

        An item of this id comes first, then titles that begin with the query, have a word that does, and hold its
        words anywhere; the shorter first.
        """
        text, words = _folded(query), pl.col(_WORDS)
        by_id = pl.col(ITEM) == query.strip()
        holds = pl.all_horizontal(
            [words.str.contains(part, literal=True) for part in text.split()] or [pl.lit(True)]
        )
        return (
            self._table.filter(by_id | holds)
            .sort(
                ~by_id,
                ~words.str.starts_with(f" {text}"),
                ~words.str.contains(f" {text}", literal=True),
                words.str.len_chars(),
                maintain_order=True,
            )
            .head(most)
            .select(ITEM, TITLE)
        )


def _folded(text: str) -> str:
    """Return a text in small letters without accents, single blanks between its words."""
    parts = unicodedata.normalize("NFKD", text)
    return " ".join("".join(part for part in parts if not unicodedata.combining(part)).casefold().split())
