"""The order of a log without a column of times: its date in parts, a count of events, or its rows."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest
from support.steps import note

from llmrec.data import Dataset
from llmrec.errors import DataError

MARCH_5 = datetime(2021, 3, 5, tzinfo=UTC)


def log(times: list[int]) -> pl.DataFrame:
    n = len(times)
    return pl.DataFrame({"user_id": ["u"] * n, "item_id": [f"i{row}" for row in range(n)], "timestamp": times})


@pytest.mark.parametrize("kind", [int, float, str])
def test_year_month_and_day_of_their_own_are_a_time(kind: type) -> None:
    days = {"Year": [2021, 2021, 2021], "month": [3, 3, 2], "day": [6, 5, 28], "hour": [1, 10, 0]}
    table = (
        log([1, 2, 3])
        .drop("timestamp")
        .with_columns(pl.Series(name, [kind(value) for value in values]) for name, values in days.items())
    )
    data = Dataset.from_tables(table)
    assert data.events["item_id"].to_list() == ["i2", "i1", "i0"]
    assert data.events["timestamp"][1] == MARCH_5.timestamp() + 36_000
    assert note(data) == "Year, month, day and hour read as one time"
    assert not set(data.events.columns) & set(days)
    weekday = table.with_columns(day=pl.Series(["Sat", "Fri", "Sun"]))
    with pytest.raises(DataError, match="its year and month are in another order than the rows"):
        Dataset.from_tables(weekday)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("seq", [3, 2, 1]),
        ("order_number", ["2", "2", "1"]),
        ("position", [2, 3, 1]),
        ("Step Index", [9, 4, 0]),
        ("DAY", [300, 300, 4]),
    ],
)
def test_rows_are_no_order_where_a_count_says_otherwise(name: str, values: list[object]) -> None:
    table = log([1, 2, 3]).drop("timestamp").with_columns(pl.Series(name, values))
    with pytest.raises(
        DataError, match=rf"'{name}' counts a user's events in another order than the rows; name it"
    ):
        Dataset.from_tables(table)
    assert Dataset.from_tables(table, order_by_rows=True).events["item_id"].to_list() == ["i0", "i1", "i2"]
    assert Dataset.from_tables(table, columns={"timestamp": name}).events["item_id"][0] == "i2" or values[0] == 2


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("seq", [1, 2, 9]),
        ("position", [2, 1, 2]),
        ("border", [3, 2, 1]),
        ("step", ["b", "a", ""]),
        ("day", [9, 4, 1]),
    ],
)
def test_other_numbers_are_no_order(name: str, values: list[object]) -> None:
    table = log([1, 2, 3]).drop("timestamp").with_columns(pl.Series(name, values))
    assert Dataset.from_tables(table).order_only


def test_the_span_of_the_times_is_said() -> None:
    assert note(Dataset.from_tables(log([1_600_000_000, 1_600_086_400])), "time span") == (
        "2020-09-13 12:26:40 to 2020-09-14 12:26:40"
    )
    old = log([-90_000_000_000, 1_600_000_000])
    assert note(Dataset.from_tables(old), "time span").startswith("-882-")


def test_a_day_of_an_item_is_no_order_of_events() -> None:
    table = pl.DataFrame(
        {"user_id": ["u", "u", "v", "v"], "item_id": ["a", "b", "b", "a"], "day": [500, 90, 90, 500]}
    )
    assert note(Dataset.from_tables(table)) == "the order of the rows: the log has no times"
