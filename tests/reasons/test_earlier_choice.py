"""An item that was chosen before speaks for itself: no reason may leave that out."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from support.linear import Linear

import llmrec
from llmrec.data import Histories
from llmrec.reasons import NarrationRequest


class Unasked:
    """A narrator that nobody should ask."""

    backend = "llm"

    def narrate(self, requests: list[NarrationRequest]) -> list[str | None]:
        raise AssertionError(requests)


def test_the_item_itself_is_named(model: Linear, monkeypatch: pytest.MonkeyPatch) -> None:
    again = np.zeros((6, 6), dtype=np.float32)
    again[5, 5], again[1, 5] = 3, 0.1
    monkeypatch.setitem(type(model)._score.__globals__, "WEIGHTS", again)
    recs = pl.DataFrame({"user_id": ["u"], "item_id": ["f"], "rank": [1]})
    why = llmrec.explain(model, recs, Histories.of({"u": ["b", "f"]}), narrator=Unasked())
    assert [one["item_id"] for one in why["evidence"][0]] == ["f", "b"]
    assert why["backend"].to_list() == ["template"]
    assert why["sentence"][0].startswith('"Final Waltz" was your choice before, so here it is again')
