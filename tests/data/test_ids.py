"""One rule for ids given in Python: numbers mean the text of their digits, and what is no id is refused."""

from __future__ import annotations

import enum
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrec.data.ids import id_column, id_hashes, id_of, ids_of, whole_number
from llmrec.errors import DataError


class Film(str, enum.Enum):  # noqa: UP042
    """Text with a name."""

    HEAT = "7"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("7", "7"),
        (" 007 ", "007"),
        ("1.0", "1.0"),
        ("nan", "nan"),
        ("", ""),
        (Film.HEAT, "7"),
        (np.str_("7"), "7"),
        (7, "7"),
        (-7, "-7"),
        (10**30, "1" + "0" * 30),
        (np.int64(7), "7"),
        (np.uint8(7), "7"),
        (np.array(7), "7"),
        (7.0, "7"),
        (-0.0, "0"),
        (np.float32(7), "7"),
        (np.float16(2047), "2047"),
        (2.0**53 - 1, "9007199254740991"),
    ],
)
def test_what_is_an_id(value: object, text: str) -> None:
    assert id_of(value) == text
    assert type(id_of(value)) is str


@pytest.mark.parametrize(
    "value",
    [
        *(True, False, np.True_, 1.5, np.float32(0.5), None, float("nan"), float("inf"), np.nan, pd.NA, pd.NaT),
        *(
            2.0**53,
            np.float32(2**24),
            1e300,
            1 + 0j,
            b"7",
            [7],
            (7,),
            {"a": 1},
            Decimal("7"),
            Fraction(7),
            object(),
        ),
        *(UUID(int=7), pd.Timestamp("2020-01-01"), np.array([7, 8]), np.datetime64("2020-01-01")),
    ],
)
def test_what_is_none(value: object) -> None:
    with pytest.raises(DataError, match=r"^users: .* is no id: \w"):
        id_of(value, label="users")
    with pytest.raises(DataError, match=r"^users: "):
        ids_of(["7", value], label="users")


@given(st.lists(st.integers(-(2**53) + 1, 2**53 - 1)))
def test_numbers_of_any_kind_are_the_same_ids(numbers: list[int]) -> None:
    texts = [str(number) for number in numbers]
    series = pl.Series(numbers, dtype=pl.Int64)
    same = [
        numbers,
        tuple(numbers),
        np.array(numbers, dtype=np.int64),
        np.array(numbers, dtype=np.float64),
        series,
    ]
    same += [
        pd.Series(numbers, dtype="int64"),
        pd.Series(numbers, dtype="float64"),
        series.cast(pl.Float64),
        texts,
    ]
    for values in same:
        assert ids_of(values) == texts
        assert id_column(values, "item_id").to_list() == texts


def test_a_column_with_gaps() -> None:
    floats = pd.Series([1, None, 3])
    with pytest.raises(DataError, match=r"^recs: nan is no id: an id is missing"):
        id_column(floats, "user_id", label="recs")
    assert ids_of(floats.dropna()) == ["1", "3"]
    with pytest.raises(DataError, match=r"None is no id: an id is missing"):
        id_column(pl.Series([1, None]), "user_id")
    assert id_column(pl.Series(["a", "b", "a"], dtype=pl.Categorical), "user_id").to_list() == ["a", "b", "a"]


@pytest.mark.parametrize("values", ["17", b"17", {"17": 1}, {"17"}, 17, None, np.array(17), object()])
def test_what_is_no_list(values: object) -> None:
    with pytest.raises(DataError, match=r"^items: a list of ids is meant"):
        ids_of(values, label="items")


def test_half_a_character() -> None:
    with pytest.raises(DataError, match="half a character"):
        id_column(["\ud800"], "item_id")


def test_counts() -> None:
    assert [whole_number(value, label="k") for value in (1, np.int64(5), np.uint8(7))] == [1, 5, 7]
    assert whole_number(0, label="steps", least=0) == 0
    for value in (True, np.True_, 1.0, "10", None, [1], 2.5):
        with pytest.raises(DataError, match="k is a whole number such as 10, not"):
            whole_number(value, label="k")
    with pytest.raises(DataError, match="k must be at least 1, got -3"):
        whole_number(np.int8(-3), label="k")


def test_ids_are_drawn_alike_everywhere() -> None:
    """The hash is the published check value of CRC-32, and each id is drawn by itself."""
    assert id_hashes(["123456789"]).tolist() == [0xCBF43926]
    users = [f"u{n}" for n in range(5_000)]
    folds, held_out = id_hashes(users) % 5, id_hashes(users, seed=1) % 10 == 0
    np.testing.assert_array_equal(id_hashes(users[::-1]), id_hashes(users)[::-1])
    assert np.bincount(folds).min() > 900
    assert 400 < held_out.sum() < 600
    assert np.bincount(folds[held_out]).min() > 60  # one draw says nothing of the other
