"""A catalog of six films, and a recommender over it whose every contribution is known."""

from __future__ import annotations

import polars as pl
import pytest
from support.linear import Linear

from llmrec.data import Catalog


@pytest.fixture
def catalog() -> Catalog:
    table = pl.DataFrame(
        {
            "item_id": ["a", "b", "c", "d", "e", "f"],
            "title": ["Amber Gate", "Blue Kite", "Sting, The", "Dry River", "East Wind", "Final Waltz"],
            "year": [1990, 1991, 1973, None, 1994, 1995],
            "genres": ["War, Drama", "Drama", "Crime, Drama", None, "Comedy", "Drama, Romance"],
        }
    )
    return Catalog(table)


@pytest.fixture
def model(catalog: Catalog) -> Linear:
    return Linear(catalog)
