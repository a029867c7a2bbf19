"""Logs of one letter an item, small enough to know each score by hand."""

from __future__ import annotations

import polars as pl

from llmrec import Histories, Recipe
from llmrec.data import Catalog, Dataset
from llmrec.models import Recommender, from_recipe


def dataset(histories: list[str], times: list[int] | None = None, *, order_only: bool = False) -> Dataset:
    """One user per text, one item per letter."""
    rows = [(str(user), item) for user, items in enumerate(histories) for item in items]
    items = sorted({item for _, item in rows})
    events = pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row")
    events = events.with_columns(timestamp=pl.Series(times or list(range(len(rows)))))
    catalog = Catalog(pl.DataFrame({"item_id": items, "title": [item.upper() for item in items]}))
    return Dataset(events, catalog, order_only=order_only)


def fitted(model: str, data: Dataset, **sections: dict[str, object]) -> Recommender:
    return from_recipe(Recipe.of({"model": model, **sections})).fit(data)


def scored(model: Recommender, history: str) -> dict[str, float]:
    (row,) = model.score(Histories.of([list(history)])).tolist()
    return dict(zip(model.catalog.ids, row, strict=True))
