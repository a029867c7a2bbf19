"""Items that come, change and go make another catalog; what is refused is said in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from llmrec.data import Catalog
from llmrec.data.catalog_changes import CatalogChange, added_items, removed_items, updated_items
from llmrec.errors import DataError

CATALOG = Catalog(
    pl.DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "title": ["A", "B", "C"],
            "price": [1.0, None, 3.0],
            "in_stock": [True, True, False],
            "tags": [["x"], ["x", "y"], []],
        }
    )
)


def test_an_update_changes_the_given_columns_only() -> None:
    change = updated_items(CATALOG, {"item_id": ["c", "b"], "price": ["2.5", None], "in_stock": ["true", "True"]})
    assert change.updated.tolist() == [2]  # b is as it was
    assert change.catalog.table["price"].to_list() == [1.0, None, 2.5]
    assert change.catalog.table["in_stock"].to_list() == [True, True, True]
    assert change.catalog.table.drop("price", "in_stock").equals(CATALOG.table.drop("price", "in_stock"))
    assert change.catalog.table.schema == CATALOG.table.schema
    assert CATALOG.table["price"].to_list() == [1.0, None, 3.0]
    lists = updated_items(CATALOG, pl.DataFrame({"item_id": ["a", "b"], "tags": [["z"], ["x", "y"]]}))
    assert lists.updated.tolist() == [0]
    assert lists.catalog.table["tags"].to_list() == [["z"], ["x", "y"], []]


def test_a_number_that_is_none_is_unknown() -> None:
    """As in the items that a data set begins with: NaN would meet every "price > 10"."""
    nan = float("nan")
    changed = updated_items(CATALOG, {"item_id": ["a", "c"], "price": ["2.5", "nan"]}).catalog
    assert changed.table["price"].to_list() == [2.5, None, None]
    added = added_items(CATALOG, pl.DataFrame({"item_id": ["d"], "title": ["D"], "price": [nan]})).catalog
    assert added.table["price"].to_list() == [1.0, None, 3.0, None]


def test_a_whole_number_is_not_cut() -> None:
    whole = Catalog(CATALOG.table.with_columns(pl.col("price").cast(pl.Int64)))
    assert updated_items(whole, {"item_id": ["a"], "price": [2.0]}).catalog.table["price"].to_list() == [
        2,
        None,
        3,
    ]
    with pytest.raises(DataError, match=r"changed items: 2\.5 in price is no whole number; write values as the"):
        updated_items(whole, {"item_id": ["a"], "price": [2.5]})


def test_removed_items_keep_their_row_and_come_back() -> None:
    removed = removed_items(CATALOG, ["b", "a"])
    assert removed.catalog.removed is not None
    assert removed.catalog.removed.tolist() == [True, True, False]
    assert removed.catalog.codes(["a", "b", "c"]).tolist() == [0, 1, 2]
    assert len(removed.updated) == removed.n_added == 0
    again = added_items(removed.catalog, {"item_id": ["d", "b"], "title": ["D", "B again"]})
    assert again.new_ids == ["d"]
    assert again.updated.tolist() == [1]
    assert again.catalog.removed is not None
    assert again.catalog.removed.tolist() == [True, False, False, False]
    assert again.catalog.titles == ["A", "B again", "C", "D"]
    assert again.catalog.table["price"].to_list() == [1.0, None, 3.0, None]
    back = updated_items(again.catalog, {"item_id": ["a"]})
    assert back.catalog.removed is None
    assert len(back.updated) == 0


def test_two_changes_are_one() -> None:
    first = updated_items(CATALOG, {"item_id": ["a"], "price": [9.0]})
    second = added_items(first.catalog, {"item_id": ["d"], "title": ["D"]})
    third = updated_items(second.catalog, {"item_id": ["d", "b"], "title": ["D2", "B2"]})
    both: CatalogChange = first.then(second).then(third)
    assert both.before is CATALOG
    assert both.catalog is third.catalog
    assert both.updated.tolist() == [0, 1]
    assert both.new_ids == ["d"]


def test_what_is_computed_of_ids_is_computed_once() -> None:
    order = CATALOG.tie_order
    assert removed_items(CATALOG, ["b"]).catalog.tie_order is order
    changed = updated_items(CATALOG, {"item_id": ["a"], "title": ["Z"]}).catalog
    assert changed.tie_order is order
    assert changed.titles == ["Z", "B", "C"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"item_id": ["a", "no"], "price": [1, 2]}, "'no' is not in the catalog of 3 items"),
        ({"item_id": ["a", "a"], "price": [1, 2]}, "'a' is there twice"),
        ({"item_id": ["a"], "colour": ["red"]}, "no column colour; it has item_id, title, price, in_stock, tags"),
        ({"item_id": ["a"], "title": ["  "]}, "the title of 'a' is empty"),
        ({"item_id": ["a"], "price": ["cheap"]}, "write values as the catalog does"),
        ({"item_id": ["a"], "in_stock": ["yes"]}, "'yes' in in_stock is neither true nor false; write values as"),
        ({"item_id": ["a", None], "price": [1, 2]}, "1 of 2 have no id"),
        ({"item_id": [], "price": []}, "has no row"),
        ({"price": [1.0]}, "no column item_id"),
    ],
)
def test_bad_updates_are_refused(table: dict[str, list[Any]], said: str) -> None:
    with pytest.raises(DataError, match=said):
        updated_items(CATALOG, table)


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["a", "no", "nor"], "'no' is not in the catalog of 3 items, nor are 1 others"),
        (["a", "a"], "'a' is there twice"),
        ([], "there is none"),
        (["a", "b", "c"], "no item would be left of 3"),
    ],
)
def test_bad_removals_are_refused(ids: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        removed_items(CATALOG, ids)
    with pytest.raises(DataError, match="'c' is removed already"):
        removed_items(removed_items(CATALOG, ["c"]).catalog, ["a", "c"])
    assert CATALOG.removed is None


def test_ids_may_be_numbers() -> None:
    numbers = Catalog(pl.DataFrame({"item_id": [1, 2], "title": ["A", "B"]}))
    np.testing.assert_array_equal(removed_items(numbers, [2]).catalog.removed, [False, True])
    assert updated_items(numbers, {"item_id": [1.0], "title": ["Z"]}).catalog.titles == ["Z", "B"]
