"""Ids as numbers: the codes stand for the sorted names, whatever their hashes do."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec.data import id_codes
from llmrec.data.id_codes import IdEncoder, encode_ids, time_order
from llmrec.errors import DataError

IDS = st.lists(st.one_of(st.none(), st.text("abcé 1", max_size=3)), max_size=60)


@pytest.mark.parametrize("log2", [0, 2])
@settings(deadline=None, max_examples=60)
@given(IDS)
def test_codes_stand_for_sorted_names(log2: int, ids: list[str | None]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(id_codes, "_BUCKETS_LOG2", log2)  # in a full table most hashes have to look further
        patch.setattr(id_codes, "_BLOCK_ROWS", 7)
        encoded = encode_ids(pl.Series("user_id", ids, dtype=pl.String), label="log")
    expected = [(name or "").strip() or None for name in ids]
    assert encoded.names.to_list() == sorted({name for name in expected if name is not None})
    assert encoded.names.gather(encoded.codes).to_list() == expected
    count = sum(name is not None and name.strip() not in ("", name) for name in ids)
    assert encoded.note.startswith(f"{count} of {len(ids)} ids rewritten, such as " if count else "")
    assert bool(encoded.note) == bool(count)


def test_two_texts_of_one_hash_have_two_codes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Series, "hash", lambda column: pl.Series(np.zeros(len(column), dtype=np.uint64)))
    monkeypatch.setattr(id_codes, "_BLOCK_ROWS", 3)
    encoded = encode_ids(pl.Series("item_id", ["b", "a", None, "b", "c", "a"]), label="log")
    assert (encoded.names.to_list(), encoded.codes.to_list()) == (["a", "b", "c"], [1, 0, None, 1, 2, 0])


@settings(deadline=None, max_examples=60)
@given(st.lists(IDS, max_size=5))
def test_ids_encoded_block_by_block_are_encoded_as_a_whole(pieces: list[list[str | None]]) -> None:
    encoder = IdEncoder("user_id")
    columns = [pl.Series("user_id", ids, dtype=pl.String) for ids in [[], *pieces]]
    whole = pl.concat(columns)
    codes = np.concatenate([encoder.codes(column) for column in columns])
    expected, encoded = encode_ids(whole, label="log"), encode_ids(encoder.enum(codes), label="log")
    assert encoded.codes.equals(expected.codes, null_equal=True)
    assert encoded.names.equals(expected.names)


def test_names_that_no_row_has_are_left_out() -> None:
    column = pl.Series("item_id", ["c", None, "a"], dtype=pl.Enum(["c", "b\n", "a", " "]))
    encoded = encode_ids(column, label="log")
    assert (encoded.names.to_list(), encoded.codes.to_list()) == (["a", "c"], [1, None, 0])


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 3)), max_size=30),
    st.sampled_from([1, 1_000, 1_000_000, 2**60, 2**58 + 1, 2**52 + 1]),
)
def test_rows_in_order_of_user_then_time_then_row(rows: list[tuple[int, int]], unit: int) -> None:
    users = pl.Series([user for user, _ in rows], dtype=pl.UInt32)
    micros = pl.Series([time * unit for _, time in rows], dtype=pl.Int64)
    expected = sorted(range(len(rows)), key=lambda n: (rows[n][0], rows[n][1]))
    assert time_order(users, micros).to_list() == expected


def test_as_many_rows_as_threads_sort() -> None:
    draw = np.random.default_rng(0)
    n = id_codes._THREADED_ROWS + 1
    users, times = draw.integers(0, 500, n), draw.integers(0, 100, n)
    order = time_order(pl.Series(users, dtype=pl.UInt32), pl.Series(times, dtype=pl.Int64))
    np.testing.assert_array_equal(order.to_numpy(), np.lexsort([times, users]))


@pytest.mark.parametrize("kind", [pl.Int64, pl.UInt8, pl.Float64, pl.Float32, pl.String])
def test_ids_of_frames_are_written_as_those_given_in_python(kind: type[pl.DataType]) -> None:
    ids = encode_ids(pl.Series("user_id", [7, None, 12, 7]).cast(kind), label="events")
    assert ids.text().to_list() == ["7", None, "12", "7"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pl.Series([True, False]), "events: user_id holds true and false, which name nobody"),
        (pl.Series([1.0, None, 2.5]), r"events: user_id 2\.5 in data row 3 is no whole number"),
        (pl.Series([2.0**53]), "in data row 1 is no whole number that a float holds exactly"),
        (
            pl.Series([1.0, 2.0**24], dtype=pl.Float32),
            "in data row 2 is no whole number that a float holds exactly",
        ),
    ],
)
def test_what_is_no_id_in_a_frame(column: pl.Series, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode_ids(column.alias("user_id"), label="events")


def test_whole_numbers_with_a_point_are_the_whole_numbers() -> None:
    """As pandas writes a column with gaps: 7.0 and 7 are one user."""
    encoded = encode_ids(pl.Series("user_id", ["7.0", "7", "NA", "10.00", None]), label="log")
    assert encoded.names.gather(encoded.codes).to_list() == ["7", "7", "NA", "10", None]
    assert encoded.note == "2 of 5 ids rewritten, such as '7.0' as '7'"
    versions = pl.Series("item_id", ["1.0", "1.5", "2.0"])
    assert encode_ids(versions, label="log").names.to_list() == ["1.0", "1.5", "2.0"]
    assert encode_ids(pl.Series("item_id", ["\ufeffa\u200b", "a"]), label="log").names.to_list() == ["a"]


def test_ids_that_a_spreadsheet_rounded_are_said() -> None:
    encoded = encode_ids(pl.Series("user_id", ["1.23E+12", "1.23E+12", "5", "1e5"]), label="log")
    assert encoded.note == "ids such as '1.23E+12' look rounded by a spreadsheet: export them as text"
    assert encoded.names.to_list() == ["1.23E+12", "1e5", "5"]
