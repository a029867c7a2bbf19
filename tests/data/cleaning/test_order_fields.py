"""What stands in the first row of an order is said of its other rows, too."""

from __future__ import annotations

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.columns import POSITIVE

# As Shopify exports orders: one of two lines is refunded, one has no customer, one no item in its first line.
SHOP = pl.DataFrame(
    {
        "user_id": ["a", "a", "b", "b", None, None, "c", "c", "a"],
        "item_id": ["pen", "paper", "pen", "stapler", "pen", "ink", "", "ink", "ink"],
        "timestamp": [f"2026-01-0{day} 10:00:00 +0100" for day in (1, 1, 2, 2, 3, 3, 4, 4, 5)],
        "Financial Status": ["paid", "", "refunded", "", "paid", None, "voided", " ", "paid"],
        "Fulfillment Status": ["fulfilled", "", "", "", "", "", "", "", ""],
        "Total": ["12.50", "", "9", "", "5", "", "7", "", "3"],
        "Lineitem fulfillment status": ["fulfilled", "pending", "pending", "pending", "", "", "", "pending", ""],
    }
)


def test_further_rows_take_the_order_s_fields() -> None:
    data = Dataset.from_tables(SHOP)
    rows = data.events.sort("user_id", "item_id")
    of = {(row["user_id"], row["item_id"]): row for row in rows.iter_rows(named=True)}
    assert of["a", "paper"]["Financial Status"] == "paid"
    assert of["a", "paper"]["Total"] == 12.5
    assert of["a", "paper"]["Lineitem fulfillment status"] == "pending"
    assert {key for key, row in of.items() if not row[POSITIVE]} == {("b", "pen"), ("b", "stapler"), ("c", "ink")}
    (said,) = [step.note for step in data.steps if step.name == "order fields"]
    assert said == (
        "Financial Status, Fulfillment Status, Total: 4 rows take them from the first row of their order"
    )


@pytest.mark.parametrize(
    "status",
    [
        # Blank in a first row, too.
        ["paid", "", "refunded", "", "paid", "", "voided", "", ""],
        # Blank means that nothing happened.
        ["", "", "refunded", "", "", "", "", "", ""],
        ["paid", "paid", "refunded", "paid", "paid", "paid", "voided", "paid", "paid"],
    ],
)
def test_rows_that_say_their_own_keep_it(status: list[str]) -> None:
    data = Dataset.from_tables(SHOP.with_columns(pl.Series("Financial Status", status)))
    assert not [step for step in data.steps if step.name == "order fields"]
    kept = dict(
        data.events.select("item_id", "Financial Status").filter(data.events["user_id"] == "b").iter_rows()
    )
    assert (kept["pen"], kept["stapler"] or "") == ("refunded", status[3])


def test_two_orders_of_one_second_are_two() -> None:
    status = ["paid", "refunded", "refunded", "", "paid", "", "voided", "", "paid"]
    data = Dataset.from_tables(SHOP.with_columns(pl.Series("Financial Status", status)))
    rows = data.events.filter(~pl.col(POSITIVE))
    assert sorted(rows.select("user_id", "item_id").iter_rows()) == [
        ("a", "paper"),
        ("b", "pen"),
        ("b", "stapler"),
        ("c", "ink"),
    ]


def test_without_times_rows_are_no_order() -> None:
    data = Dataset.from_tables(SHOP.drop("timestamp"), order_by_rows=True)
    assert not [step for step in data.steps if step.name == "order fields"]
