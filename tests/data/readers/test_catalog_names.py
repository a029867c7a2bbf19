"""A catalog with two numbers for an item is joined by the one that the log names."""

from __future__ import annotations

import polars as pl
import pytest

from llmrec import Dataset
from llmrec.errors import DataError

START = 1_600_000_000


def log(column: str, *ids: str) -> pl.DataFrame:
    return pl.DataFrame({"customer_id": "u", column: ids, "timestamp": range(START, START + len(ids))})


def titles(data: Dataset) -> dict[str, str]:
    table = data.catalog.table
    return dict(zip(table["item_id"], table["title"], strict=True))


@pytest.mark.parametrize("column", ["sku", "SKU", "app_id", "isbn"])
def test_the_catalog_s_ids_are_called_as_the_log_s(column: str) -> None:
    catalog = pl.DataFrame({"id": ["1", "2"], column.lower(): ["2", "1"], "name": ["Pen", "Ink"]})
    data = Dataset.from_tables(log(column, "1", "2"), items=catalog)
    assert titles(data) == {"2": "Pen", "1": "Ink"}


def test_our_own_name_and_a_named_column_win() -> None:
    catalog = pl.DataFrame({"item_id": ["1", "2"], "sku": ["2", "1"], "name": ["Pen", "Ink"]})
    assert titles(Dataset.from_tables(log("sku", "1", "2"), items=catalog)) == {"1": "Pen", "2": "Ink"}
    catalog = catalog.rename({"item_id": "id"})
    named = Dataset.from_tables(log("sku", "1", "2"), items=catalog, columns={"item_id": "id"})
    assert titles(named) == {"1": "Pen", "2": "Ink"}


def test_the_column_that_holds_the_log_s_ids_is_named() -> None:
    catalog = pl.DataFrame({"id": ["1", "2"], "ean13": ["70", "80"], "name": ["Pen", "Ink"]})
    with pytest.raises(DataError, match=r"\(2 of 2 are in its column ean13: --column item_id=ean13\); add them"):
        Dataset.from_tables(log("isbn", "70", "80"), items=catalog)
    assert (
        len(Dataset.from_tables(log("isbn", "70", "80"), items=catalog, columns={"item_id": "ean13"}).catalog) == 2
    )


def test_zeros_that_are_all_that_differs_are_named() -> None:
    catalog = pl.DataFrame({"item_id": ["001", "002"], "name": ["Pen", "Ink"]})
    with pytest.raises(DataError, match=r"'1' \(without the zeros before them all are there"):
        Dataset.from_tables(log("sku", "1", "2"), items=catalog)
    with pytest.raises(DataError, match="'1'; add them"):
        Dataset.from_tables(log("sku", "1", "3"), items=catalog)


def test_an_item_that_is_missing_is_named_where_the_catalog_s_ids_are_numbers() -> None:
    catalog = pl.DataFrame({"item_id": [1, 2], "name": ["Pen", "Ink"]})
    with pytest.raises(DataError, match=r"name items missing from items, e\.g\. '3'; add them"):
        Dataset.from_tables(log("sku", "1", "3"), items=catalog)
