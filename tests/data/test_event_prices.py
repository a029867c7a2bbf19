"""Prices are compared where they are numbers of one currency; those paid count where the catalog lists none."""

from __future__ import annotations

import polars as pl
import pytest

from llmrec.data import Catalog
from llmrec.data.event_prices import comparable_prices, currencies, prices_paid


def catalog(**columns: list[object]) -> Catalog:
    return Catalog(pl.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"], **columns}))


PAID = pl.DataFrame({"item_id": ["a", "b"], "price": [1.0, 2.0]})


def test_prices_in_several_currencies_and_words_are_not_comparable() -> None:
    assert comparable_prices(PAID) is not None
    one = PAID.with_columns(Currency=pl.lit("EUR"))
    assert currencies(one) == ["Currency"]
    assert comparable_prices(one) is not None
    assert comparable_prices(PAID.with_columns(currency_code=pl.Series(["EUR", "JPY"]))) is None
    assert comparable_prices(PAID.with_columns(price=pl.Series(["1 €", "2 €"]))) is None
    assert comparable_prices(PAID.drop("price")) is None


@pytest.mark.parametrize(("listed", "counts"), [([3.0, 4.0], False), (["cheap", "dear"], True)])
def test_what_was_paid_counts_where_the_catalog_lists_no_numbers(listed: list[object], counts: bool) -> None:
    paid = prices_paid(PAID, catalog(price=listed))
    assert (paid is not None) is counts
    assert prices_paid(PAID, catalog()) is not None
    assert prices_paid(PAID.drop("price"), catalog()) is None
