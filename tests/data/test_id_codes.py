"""Ids as numbers: the codes stand for the sorted names, whatever their hashes do."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec.data import id_codes
from llmrec.data.id_codes import Coder, coded, order_of

IDS = st.lists(st.one_of(st.none(), st.text("abcé 1", max_size=3)), max_size=60)


@pytest.mark.parametrize("room", [0, 2])
@settings(deadline=None, max_examples=60)
@given(IDS)
def test_codes_stand_for_sorted_names(room: int, ids: list[str | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(id_codes, "_ROOM", room)  # in a full table most hashes have to look further
        patch.setattr(id_codes, "_BLOCK_ROWS", 7)
        found = coded(pl.Series("user_id", ids, dtype=pl.String), where="log")
    expected = [None if not (name or "").strip() else name for name in ids]
    assert found.names.to_list() == sorted({name for name in expected if name is not None})
    assert found.names.gather(found.codes).to_list() == expected


def test_texts_with_one_hash_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Series, "hash", lambda column: pl.Series(np.zeros(len(column), dtype=np.uint64)))
    monkeypatch.setattr(id_codes, "_BLOCK_ROWS", 3)
    found = coded(pl.Series("item_id", ["b", "a", None, "b", "c", "a"]), where="log")
    assert (found.names.to_list(), found.codes.to_list()) == (["a", "b", "c"], [1, 0, None, 1, 2, 0])


@settings(deadline=None, max_examples=60)
@given(st.lists(IDS, max_size=5))
def test_ids_coded_piece_by_piece_are_coded_as_a_whole(pieces: list[list[str | None]]) -> None:
    coder = Coder("user_id")
    columns = [pl.Series("user_id", ids, dtype=pl.String) for ids in [[], *pieces]]
    whole = pl.concat(columns)
    codes = np.concatenate([coder.codes(column) for column in columns])
    expected, found = coded(whole, where="log"), coded(coder.enum(codes), where="log")
    assert found.codes.equals(expected.codes, null_equal=True)
    assert found.names.equals(expected.names)


def test_names_that_no_row_has_are_left_out() -> None:
    column = pl.Series("item_id", ["c", None, "a"], dtype=pl.Enum(["c", "b\n", "a", " "]))
    found = coded(column, where="log")
    assert (found.names.to_list(), found.codes.to_list()) == (["a", "c"], [1, None, 0])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 3)), max_size=30),
    st.sampled_from([1, 1_000, 1_000_000, 2**60, 2**58 + 1, 2**52 + 1]),
)
def test_rows_in_order_of_user_then_time_then_row(rows: list[tuple[int, int]], unit: int) -> None:
    users = pl.Series([user for user, _ in rows], dtype=pl.UInt32)
    micros = pl.Series([time * unit for _, time in rows], dtype=pl.Int64)
    expected = sorted(range(len(rows)), key=lambda n: (rows[n][0], rows[n][1]))
    assert order_of(users, micros).to_list() == expected
