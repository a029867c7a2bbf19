"""Dates beside times of day that are numbers: 830, 083000, or an hour."""

from __future__ import annotations

import polars as pl
import pytest
from support.steps import note

from llmrec.data import Dataset
from llmrec.errors import DataError

DAYS = ["2024-01-05", "2024-01-04", "2024-01-05"]
HALF_PAST_EIGHT, NINE_PM = 8 * 3600 + 1800, 21 * 3600
THE_4TH = 1_704_326_400


def log(**columns: object) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ["u"] * 3, "item_id": list("abc")} | columns)


@pytest.mark.parametrize(
    ("date", "clock", "times"),
    [
        ("date", "time", [830, 2100, 5]),
        ("date", "time", [830.0, 2100.0, 5.0]),
        ("order_date", "order_time", ["0830", "2100", "0005"]),
        ("order_date", "order_time", [830, 2100, 5]),
        ("date", "event_time", [83_000, 210_000, 500]),
        ("date", "clock", ["083000", "210000", "000500"]),
    ],
)
def test_digits_of_a_time_of_day_join_their_date(date: str, clock: str, times: list[object]) -> None:
    data = Dataset.from_tables(log(**{date: DAYS, clock: times}))
    expected = {"b": NINE_PM, "c": 86_400 + 300, "a": 86_400 + HALF_PAST_EIGHT}
    assert dict(data.events.select("item_id", "timestamp").iter_rows()) == {
        item: THE_4TH + seconds for item, seconds in expected.items()
    }
    assert note(data).startswith(f"{date} and {clock} read as one time")
    assert data.events.columns == ["user_id", "item_id", "timestamp"]


def test_year_month_and_day_get_a_clock_too() -> None:
    parts = {"year": [2024] * 3, "month": [1] * 3, "day": [5, 4, 5]}
    for clock, times in (("time", [830, 2100, 5]), ("time", ["8:30", "21:00", "0:05"]), ("at", ["8:30"] * 3)):
        data = Dataset.from_tables(log(**parts, **{clock: times}))
        assert data.events["timestamp"][2] == THE_4TH + 86_400 + HALF_PAST_EIGHT
        assert note(data).startswith(f"year, month, day and {clock} read as one time")


def test_an_hour_joins_its_date() -> None:
    data = Dataset.from_tables(log(date=DAYS, hour=[8, 21, 0], minute=[30, 0, 5]))
    assert data.events["timestamp"].to_list() == [
        THE_4TH + NINE_PM,
        THE_4TH + 86_400 + 300,
        THE_4TH + 86_400 + HALF_PAST_EIGHT,
    ]
    assert note(data) == "date, hour and minute read as one time"


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("watch_time", [830, 2100, 5]),
        ("duration", [830, 2100, 5]),
        ("order_time", [860, 2100, 5]),
        ("order_time", [830, 2400, 5]),
        ("order_time", [8, 21, 5]),
        ("order_time", ["0830", "soon", "0005"]),
        ("hour", [8, 24, 5]),
    ],
)
def test_other_numbers_are_no_times_of_day(name: str, times: list[object]) -> None:
    data = Dataset.from_tables(log(date=DAYS, **{name: times}))
    assert data.events["timestamp"].to_list() == [THE_4TH, THE_4TH + 86_400, THE_4TH + 86_400]
    assert name in data.events.columns


def test_digits_without_one_date_are_an_order_or_refused() -> None:
    assert Dataset.from_tables(log(time=[830, 2100, 5])).order_only
    with pytest.raises(DataError, match=r"'time' .* holds none, but 'ordered' .*, 'shipped'"):
        Dataset.from_tables(log(time=[830, 2100, 5], ordered=DAYS, shipped=DAYS[::-1]))


def test_a_format_of_dates_alone_leaves_digits_alone() -> None:
    unclear = log(order_date=["05/03/2024", "04/03/2024", "05/03/2024"], order_time=[830, 2100, 5])
    days = Dataset.from_tables(unclear, time_format="%d/%m/%Y")
    assert days.events.columns == ["user_id", "item_id", "timestamp", "order_time"]
    with pytest.raises(DataError, match=r'"%d/%m/%Y %H:%M:%S"'):
        Dataset.from_tables(unclear)
    both = Dataset.from_tables(unclear, time_format="%d/%m/%Y %H:%M:%S")
    assert both.events["item_id"].to_list() == ["b", "c", "a"]


def test_of_several_clocks_the_one_of_the_dates_is_taken() -> None:
    clocks = {"ship_time": ["23:00"] * 3, "order_time": ["8:30", "21:00", "0:05"]}
    data = Dataset.from_tables(log(order_date=DAYS, **clocks))
    assert data.events["item_id"].to_list() == ["b", "c", "a"]
    visit = Dataset.from_tables(log(date=DAYS, end_time=["23:00"] * 3, start_time=clocks["order_time"]))
    assert visit.events["item_id"].to_list() == ["b", "c", "a"]
    unclear = Dataset.from_tables(log(date=DAYS, pickup_at=["10:00"] * 3, returned_at=["11:00"] * 3))
    assert note(unclear).startswith(
        "the days alone: which of pickup_at, returned_at is the time of day is unclear"
    )
