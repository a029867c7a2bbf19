"""Ids as numbers: the codes stand for the sorted names, whatever their hashes do."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec.data import coding
from llmrec.data.coding import coded, order_of

IDS = st.lists(st.one_of(st.none(), st.text("abcé 1", max_size=3)), max_size=60)


@pytest.mark.parametrize("bits", [1, 24])
@settings(deadline=None, max_examples=60)
@given(IDS)
def test_codes_stand_for_sorted_names(bits: int, ids: list[str | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coding, "_MOST_BITS", bits)  # with two slots nearly every hash has to wait its turn
        patch.setattr(coding, "_BLOCK_ROWS", 7)
        found = coded(pl.Series("user_id", ids, dtype=pl.String), where="log")
    expected = [None if not (name or "").strip() else name for name in ids]
    assert found.names.to_list() == sorted({name for name in expected if name is not None})
    assert found.names.gather(found.codes).to_list() == expected


def test_texts_with_one_hash_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Series, "hash", lambda column: pl.Series(np.zeros(len(column), dtype=np.uint64)))
    found = coded(pl.Series("item_id", ["b", "a", "b"]), where="log")
    assert (found.names.to_list(), found.codes.to_list()) == (["a", "b"], [1, 0, 1])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 3)), max_size=30),
    st.sampled_from([1, 1_000, 1_000_000, 2**60]),
)
def test_rows_in_order_of_user_then_time_then_row(rows: list[tuple[int, int]], unit: int) -> None:
    users = pl.Series([user for user, _ in rows], dtype=pl.UInt32)
    micros = pl.Series([time * unit for _, time in rows], dtype=pl.Int64)
    expected = sorted(range(len(rows)), key=lambda n: (rows[n][0], rows[n][1]))
    assert order_of(users, micros).to_list() == expected
