"""What the data say of an item and those cited for it, counted by hand."""

from __future__ import annotations

import polars as pl
from support.linear import Linear

from llmrec.data import Catalog, Histories
from llmrec.reasons import Together, add_facts, occlusion


def test_attributes_in_common_and_people_who_chose_both(model: Linear) -> None:
    table = model.catalog.table.with_columns(
        brand=pl.Series(["Acme", "Acme", None, "Bell", None, "Acme"]),
        price=pl.Series([1.0, 9.0, 2.0, 5.0, None, 8.0]),
        stock=pl.Series([7, 7, 7, 7, 7, 7]),
    )
    model.catalog = Catalog(table)
    crowd = {f"p{n}": ["a", "f"] for n in range(6)} | {f"q{n}": ["b", "f"] for n in range(4)} | {"r": ["a"]}
    model.histories = Histories.of(crowd)
    recs = pl.DataFrame({"user_id": ["u"], "item_id": ["f"]})
    evidence = occlusion(model, Histories.of({"u": ["a", "b", "c"]}), recs)
    (found,) = add_facts(evidence, model)
    assert [one.item_id for one in found.cited] == ["a", "b", "c"]
    assert {(one.name, one.value, one.item_ids) for one in found.shared} == {
        ("genres", "Drama", ("a", "b", "c")),
        ("brand", "Acme", ("a", "b")),
        ("price band", "high", ("b",)),
    }
    # Four people are too few to speak of.
    assert found.together == (Together("a", 6, 7),)
