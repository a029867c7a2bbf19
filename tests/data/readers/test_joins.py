"""A log in two tables: orders and what they hold."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.errors import DataError

ORDERS = pl.DataFrame({"order_id": [1, 2], "user_id": ["u", "v"], "order_date": ["2024-01-01", "2024-01-02"]})
LINES = pl.DataFrame({"order_id": [1, 1, 2], "product_id": ["a", "b", "a"], "reordered": [0, 1, 0]})
PRODUCTS = pl.DataFrame({"product_id": ["a", "b"], "product_name": ["Milk", "Eggs"]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ORDERS.write_csv(tmp_path / "orders.csv")
    LINES.write_csv(tmp_path / "order_products.csv")
    PRODUCTS.write_csv(tmp_path / "products.csv")
    return tmp_path


def test_half_a_log_names_the_other_half(folder: Path) -> None:
    words = r"has no column of users, but orders\.csv beside it has 'user_id', and both have 'order_id': join them"
    for path in (folder / "order_products.csv", folder):
        with pytest.raises(DataError, match=f"order_products.csv {words}"):
            Dataset.from_files(path)
    with pytest.raises(
        DataError, match=r"orders\.csv has no column of items, but order_products\.csv beside it has"
    ):
        Dataset.from_files(folder / "orders.csv")


def test_the_query_that_it_names_reads_both(folder: Path) -> None:
    pytest.importorskip("duckdb", reason="duckdb is not installed: pip install 'llmrec[sql]'")
    with pytest.raises(DataError) as refused:
        Dataset.from_files(folder / "order_products.csv")
    query = str(refused.value).split('prepare "')[1].split('"')[0]
    items = f"select * from '{folder}/products.csv'"
    data = Dataset.from_sql(query, connection="duckdb://", items=items)
    assert data.events.select("user_id", "item_id").rows() == [("u", "a"), ("u", "b"), ("v", "a")]
    assert data.catalog.titles == ["Milk", "Eggs"]


def test_files_that_share_no_key_are_no_halves(folder: Path) -> None:
    LINES.drop("order_id").write_csv(folder / "order_products.csv")
    with pytest.raises(DataError, match="no column 'user_id' among its columns product_id, reordered"):
        Dataset.from_files(folder / "order_products.csv")
