"""Prices that can be compared with each other: those of the catalog, or what was paid in the log."""

from __future__ import annotations

import polars as pl

from llmrec.data.catalog import Catalog

PRICE = "price"


def comparable_prices(table: pl.DataFrame) -> pl.Series | None:
    """Return the prices of a table of items or events; None where there are none, or in several currencies."""
    prices = table.get_column(PRICE, default=None)
    if prices is None or not prices.dtype.is_numeric():
        return None
    return None if any(table[name].drop_nulls().n_unique() > 1 for name in currencies(table)) else prices


def prices_paid(events: pl.DataFrame, catalog: Catalog) -> pl.Series | None:
    """Return what was paid, where it can be compared; None where the catalog lists prices as numbers."""
    listed = catalog.table.schema.get(PRICE)
    return None if listed is not None and listed.is_numeric() else comparable_prices(events)


def currencies(table: pl.DataFrame) -> list[str]:
    """Name the columns of a table that say in which currency its prices are."""
    return [name for name in table.columns if name.lower() in ("currency", "currency_code")]
