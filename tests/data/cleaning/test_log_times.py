"""Times as logs write them: read where all rows agree on one form, else refused with the way out."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

import polars as pl
import pytest
from support.steps import note

from llmrec.data import Dataset, Split
from llmrec.errors import DataError

MARCH_5 = datetime(2021, 3, 5, tzinfo=UTC)
AT = MARCH_5.replace(hour=10, minute=15)


def log(times: object, **more: object) -> pl.DataFrame:
    column = pl.Series(times)  # type: ignore[arg-type]
    table = {"user_id": ["u"] * len(column), "item_id": [f"i{n}" for n in range(len(column))], "timestamp": column}
    return pl.DataFrame(table | more)


def first(table: pl.DataFrame, **options: object) -> datetime:
    data = Dataset.from_tables(table, **options)  # type: ignore[arg-type]
    assert not data.order_only
    seconds = data.events.filter(pl.col("item_id") == "i0")["timestamp"][0]
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([20210305, 20210331], MARCH_5),
        (["20210305", "20210331"], MARCH_5),
        ([20210305.0, 20210331.0], MARCH_5),
        ([202103051015, 202103061015], AT),
        ([20210305101500, 20210306101500], AT),
        ([44260.0, 44261.0], MARCH_5),
        ([44260, 44261], MARCH_5),
        (["44260.427083333", "44261.5"], AT),
        (["Fri Mar 05 10:15:00 2021", "Sat Mar 06 10:15:00 2021"], AT),
        (["Fri Mar 05 12:15:00 +0200 2021", "Sat Mar 06 10:15:00 +0200 2021"], AT),
        (["Fri, 05 Mar 2021 10:15:00 GMT", "Sat, 06 Mar 2021 10:15:00 GMT"], AT),
        (["05/Mar/2021:10:15:00 +0000", "06/Mar/2021:10:15:00 +0000"], AT),
        (["March 5, 2021", "March 6, 2021"], MARCH_5),
        (["5 March 2021 10:15", "6 March 2021 10:15"], AT),
        (["Mar 5, 2021 10:15 AM", "Mar 6, 2021 10:15 PM"], AT),
        (["2021/03/05 10:15", "2021/3/6 10:15"], AT),
        (["2021-3-5", "2021-3-16"], MARCH_5),
        (["20210305T101500Z", "20210306T101500Z"], AT),
        (["05/03/2021 10:15", "26/03/2021 10:15"], AT),
        (["5.3.2021 10:15:00", "26.3.2021 10:15:00"], AT),
        (["3/5/2021 10:15", "3/26/2021 10:15"], AT),
        (["03/05/2021 10:15:00 AM", "03/26/2021 12:15:00 AM"], AT),
        (["03 05, 2021", "03 26, 2021"], MARCH_5),
        (["3/5/21 10:15", "3/26/21 10:15", "12/31/20 9:00"], AT),
    ],
)
def test_a_form_that_all_rows_agree_on_is_read(times: list[object], expected: datetime) -> None:
    assert first(log(times)) == expected


def test_noon_and_midnight() -> None:
    data = Dataset.from_tables(log(["3/26/2021 12:05 AM", "3/26/2021 12:05 PM", "3/26/2021 1:05 pm"]))
    hours = [datetime.fromtimestamp(seconds, UTC).hour for seconds in data.events["timestamp"]]
    assert hours == [0, 12, 13]


@pytest.mark.parametrize(
    ("times", "formats"),
    [
        (["05/03/2021 10:15", "06/03/2021 10:15"], ["%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"]),
        (["05-03-2021", "06-03-2021"], ["%d-%m-%Y", "%m-%d-%Y"]),
        (["5/3/2021 8:36:57 PM", "6/3/2021 8:36:57 PM"], ["%d/%m/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M:%S %p"]),
        (["05.03.10", "06.03.11"], ["%y.%m.%d", "%d.%m.%y", "%m.%d.%y"]),
    ],
)
def test_unclear_dates_are_refused_and_the_offered_formats_read_them(times: list[str], formats: list[str]) -> None:
    with pytest.raises(DataError, match="say which: --time-format") as caught:
        Dataset.from_tables(log(times))
    assert all(f'"{form}"' in str(caught.value) for form in formats)
    assert len({first(log(times), time_format=form) for form in formats}) == len(formats)


def test_dates_of_two_orders_are_no_dates() -> None:
    with pytest.raises(DataError, match="say their form with --time-format"):
        Dataset.from_tables(log(["26/03/2021", "03/26/2021"]))


@pytest.mark.parametrize(
    "times",
    [
        [3052021, 12312021],  # MMDDYYYY
        [210305, 210306],
        [0.25, 700000.5],
        [-5, -3],
        [1, 2_500_000],
        [637_500_000_000_000_000, 637_500_000_000_000_100],  # .NET ticks
        [13_259_000_000_000_000, 13_259_000_000_000_100],  # microseconds since 1601
        [3_697_000_000, 3_697_000_100],  # seconds since 1904
    ],
)
def test_implausible_numbers_are_refused(times: list[float]) -> None:
    with pytest.raises(DataError, match=r"column 'timestamp' .* say what its numbers are: --time-format seconds"):
        Dataset.from_tables(log(times))
    assert Dataset.from_tables(log(times), time_format="order").order_only


@pytest.mark.parametrize(
    ("times", "time_format", "expected"),
    [
        (["14102110", "14102111"], "%y%m%d%H", datetime(2014, 10, 21, 10, tzinfo=UTC)),
        ([5032021, 6032021], "%d%m%Y", None),
        ([21032021, 22032021], "%d%m%Y", datetime(2021, 3, 21, tzinfo=UTC)),
        (["05.03.2021 10:15:00.5", "x"], "%d.%m.%Y %H:%M:%S.%f", AT.replace(microsecond=500_000)),
        ([18691, 18692], "days", MARCH_5),
        ([86400, 86401], "seconds", datetime(1970, 1, 2, tzinfo=UTC)),
        (["1614939300.25", "1614939301"], "seconds", AT.replace(microsecond=250_000)),
        ([1614939300000, 1614939301000], "milliseconds", AT),
        ([20000.0, 44260.0], "excel", datetime(1954, 10, 3, tzinfo=UTC)),
    ],
)
def test_the_form_may_be_given(times: list[object], time_format: str, expected: datetime | None) -> None:
    if expected is None:
        with pytest.raises(DataError, match=r"unusable|has the form"):
            first(log(times), time_format=time_format)
    else:
        assert first(log(times), time_format=time_format, drop_bad_times=True) == expected


@pytest.mark.parametrize(
    ("time_format", "message"),
    [
        ("hours", 'write a format such as "%d/%m/%Y %H:%M", or one of seconds'),
        ("%H:%M", "no timestamp has the form|names no date"),
        ("%d/%m/%Y", "no timestamp has the form '%d/%m/%Y', e.g. '2021-03-05'"),
    ],
)
def test_a_wrong_format_is_named(time_format: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset.from_tables(log(["2021-03-05"]), time_format=time_format)


@pytest.mark.parametrize("times", [[2015, 2016], [511, 1111], [830, 2359], [3, 9], [5.0, 7.0], ["0511", "1111"]])
def test_small_whole_numbers_are_an_order(times: list[object], tmp_path: Path) -> None:
    data = Dataset.from_tables(log(times))
    assert data.order_only
    assert "is an order, not a time" in note(data)
    with pytest.raises(DataError, match="needs times, and this log only has an order"):
        Split.global_time(data)


def test_an_order_keeps_baskets() -> None:
    orders = {"user_id": list("uuuuvv"), "item_id": list("abcacb"), "order_number": [2, 1, 2, 7, 3, 3]}
    data = Dataset.from_tables(orders, columns={"timestamp": "order_number"})
    assert data.events.rows() == [
        *[("u", "b", 0), ("u", "a", 1), ("u", "c", 1), ("u", "a", 2)],
        *[("v", "c", 0), ("v", "b", 0)],
    ]
    assert Dataset.from_tables(data.events).events.equals(data.events)


@pytest.mark.parametrize("unit", ["ms", "us"])
def test_duplicates_and_order_are_those_of_the_full_precision(unit: str) -> None:
    factor = {"ms": 1000, "us": 1_000_000}[unit]
    start = 1_614_939_300 * factor
    table = pl.DataFrame(
        {"user_id": "u", "item_id": list("baab"), "timestamp": [start + 7, start + 3, start + 9, start + 7]}
    )
    data = Dataset.from_tables(table)
    assert data.events["item_id"].to_list() == ["a", "b", "a"]
    assert [step.removed for step in data.steps if step.name == "exact duplicate"] == [1]


def test_zeros_among_times_are_impossible(caplog: pytest.LogCaptureFixture) -> None:
    table = log([0, 1_614_939_300, 1_614_939_400])
    Dataset.from_tables(table)
    assert "1 events have impossible values" in caplog.text
    assert Dataset.from_tables(table, drop_impossible=True).events.height == 2


def test_numbers_that_became_times_of_1970_are_said(caplog: pytest.LogCaptureFixture) -> None:
    table = log(pl.Series([20210129, 20210130]).cast(pl.Datetime("us")))
    assert "all times lie between 1970-01-01 00:00:20" in note(Dataset.from_tables(table))
    assert "numbers that were read as times?" in caplog.text


@pytest.mark.parametrize(
    ("date_name", "dates", "clock_name", "clocks"),
    [
        ("date", ["2021-03-05", "2021-03-06"], "time", ["10:15:00", "9:00:00"]),
        ("day", ["05/03/2021", "26/03/2021"], "time", ["10:15", "09:00"]),
        ("date", [20210305, 20210306], "clock", ["10:15 AM", "9:00 PM"]),
        ("date", [date(2021, 3, 5), date(2021, 3, 6)], "at", [time(10, 15), time(9)]),
        ("timestamp", ["2021-03-05T00:00:00", "2021-03-06T00:00:00"], "hour", ["10:15:00", "09:00:00"]),
    ],
)
def test_date_and_clock_in_two_columns(
    date_name: str, dates: list[object], clock_name: str, clocks: list[object]
) -> None:
    table = log([1, 2]).drop("timestamp").with_columns(pl.Series(date_name, dates), pl.Series(clock_name, clocks))
    assert first(table) == AT
    data = Dataset.from_tables(table)
    assert data.events.columns == ["user_id", "item_id", "timestamp"]
    assert "read as one time" in note(data)


def test_hours_without_their_dates_are_refused() -> None:
    with pytest.raises(DataError, match=r"hours of a day, e\.g\. '10:15', and no column has its dates"):
        Dataset.from_tables(log(["10:15", "10:20"]))
    unclear = log(["10:15", "10:20"], date=["05/03/2021", "06/03/2021"])
    with pytest.raises(DataError, match='--time-format "%d/%m/%Y %H:%M"'):
        Dataset.from_tables(unclear)
    assert first(unclear, time_format="%d/%m/%Y %H:%M") == AT


@pytest.mark.parametrize(
    "times",
    [
        ["2021-03-06", "2021-03-05"],
        ["06/03/2021 10:15", "05/03/2021 10:15"],
        ["1614939400", "1614939300"],
        [1_614_939_400_000, 1_614_939_300_000],
        [20210306, 20210305],
        [datetime(2021, 3, 6), datetime(2021, 3, 5)],
    ],
)
def test_no_order_is_assumed_where_a_column_holds_times(times: list[object]) -> None:
    table = log(times).rename({"timestamp": "seen_when"})
    with pytest.raises(DataError, match=r"'seen_when' .* holds times; name it with --column timestamp=seen_when"):
        Dataset.from_tables(table)
    data = Dataset.from_tables(table, order_by_rows=True)
    assert data.order_only
    assert "as --order-by-rows says" in note(data)
    assert data.events["item_id"].to_list() == ["i0", "i1"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("steps", [40_000, 41_000]),
        ("visit_id", [1_614_939_400, 1_614_939_300]),
        ("date_of_birth", ["1990-01-01", "1999-01-01"]),
        ("amount", [1.5, 2.5]),
        ("remark", ["2021-03-05", "soon"]),
    ],
)
def test_other_columns_are_no_times(name: str, values: list[object]) -> None:
    data = Dataset.from_tables(log([1, 2]).drop("timestamp").with_columns(pl.Series(name, values)))
    assert data.order_only
    assert note(data) == "the order of the rows: the log has no times"


def test_what_never_differs_for_an_item_is_no_time_of_an_event() -> None:
    table = {"user_id": list("uuvv"), "item_id": list("abab"), "out": ["2001-01-01", "2002-02-02"] * 2}
    assert Dataset.from_tables(table).order_only


def test_numbers_too_large_for_any_time_are_refused() -> None:
    with pytest.raises(DataError, match="neither Unix times between 1973 and today nor dates"):
        Dataset.from_tables(log(["17000000000000000000", "17000000000000000001"]))
