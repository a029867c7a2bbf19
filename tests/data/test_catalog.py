"""Items are looked up one by one or by a join, whichever is less work, with the same codes."""

from __future__ import annotations

import polars as pl
import pytest

from llmrec.data import Catalog, catalog

ITEMS = [f"i{n}" for n in range(50)]


@pytest.mark.parametrize("ids", [["i3", " i4", "nope", None, "i3\u200b", ""], ["i7"], [], [None]])
def test_codes_are_the_same_however_they_are_looked_up(
    ids: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    column = pl.Series(ids, dtype=pl.String)
    one = Catalog(pl.DataFrame({"item_id": ITEMS, "title": ITEMS}))
    monkeypatch.setattr(catalog, "_FEW", 10**6)
    monkeypatch.setattr(catalog, "_FEW_AT_ONCE", 0)
    joined = one.codes(column).tolist()
    known = {"i3": 3, "i4": 4, "i7": 7}
    assert joined == [known.get((item or "").strip(" \u200b"), -1) for item in ids]
    monkeypatch.setattr(catalog, "_FEW", 0)
    assert one.codes(column).tolist() == joined
    assert "_code_of" in vars(one)
    monkeypatch.setattr(catalog, "_FEW", 10**6)
    monkeypatch.setattr(catalog, "_FEW_AT_ONCE", 100)
    assert one.codes(column).tolist() == joined
