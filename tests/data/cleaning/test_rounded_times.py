"""Times that lost digits, in a spreadsheet or as Float32, are no exact times."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.errors import DataError

SECOND = 1_600_000_000


def log(times: object) -> pl.DataFrame:
    column = pl.Series(times)  # type: ignore[arg-type]
    n = len(column)
    return pl.DataFrame({"user_id": ["u"] * n, "item_id": [f"i{row}" for row in range(n)], "timestamp": column})


@pytest.mark.parametrize(
    "times",
    [
        ["1.61E+12"] * 3,
        ["1.61494E+12", "1.61495E+12"],
        ["1,61E+12", "1,62E+12"],
        ["1.61E+09", "1.62e+09"],
        [" 1.614939E+12", "1614939300123"],
        ["2.02103E+13"],
    ],
)
def test_times_that_a_spreadsheet_rounded_are_refused(times: list[str]) -> None:
    with pytest.raises(DataError, match=r"rounded by a spreadsheet to . digits: export them as whole numbers"):
        Dataset.from_tables(log(times))
    assert Dataset.from_tables(log(times), order_by_rows=True).order_only
    with pytest.raises(DataError, match=r"'played' .* holds times; name it"):
        Dataset.from_tables(log(["1.61E+12"] * 3).rename({"timestamp": "played"}))


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        (["1.614939300123E+12", "1.6149393E+12"], [1_614_939_300, 1_614_939_300.123]),
        (["1.600000001e+09", "1.6e+09"], [SECOND, SECOND + 1]),
        (["1.6149024e+18", "1.6149888e+18"], [1_614_902_400, 1_614_988_800]),
    ],
)
def test_numbers_with_all_their_digits_are_read(times: list[str], seconds: list[float]) -> None:
    assert Dataset.from_tables(log(times)).events["timestamp"].to_list() == seconds


def test_a_format_takes_rounded_times_as_they_are() -> None:
    data = Dataset.from_tables(log(["1.61E+12", "1.62E+12"]), time_format="milliseconds")
    assert data.events["timestamp"].to_list() == [1_610_000_000, 1_620_000_000]


@pytest.mark.parametrize("time_format", [None, "seconds"])
@pytest.mark.parametrize("times", [[SECOND, SECOND + 1], [20_210_305, 20_210_306], [44_260.427, 44_260.428]])
def test_float32_does_not_hold_times(times: list[float], time_format: str | None) -> None:
    with pytest.raises(DataError, match="'timestamp' is Float32, and a float of this size has lost digits"):
        Dataset.from_tables(log(pl.Series(times, dtype=pl.Float32)), time_format=time_format)


def test_float32_holds_orders_and_days() -> None:
    assert Dataset.from_tables(log(pl.Series([3, 1], dtype=pl.Float32))).order_only
    days = Dataset.from_tables(log(pl.Series([44_260, 44_261], dtype=pl.Float32)))
    assert days.events["timestamp"].to_list() == [1_614_902_400, 1_614_988_800]


def test_a_column_of_float32_with_another_name_is_a_time_only_if_its_numbers_are() -> None:
    large = log(pl.Series([3e7, 4e7], dtype=pl.Float32)).rename({"timestamp": "views"})
    assert Dataset.from_tables(large).order_only
    with pytest.raises(DataError, match=r"'seen' .* holds times; name it"):
        Dataset.from_tables(log(pl.Series([SECOND] * 2, dtype=pl.Float32)).rename({"timestamp": "seen"}))


@pytest.mark.parametrize("factor", [1, 1000])
def test_times_that_were_float32_once_are_warned_of(factor: int, caplog: pytest.LogCaptureFixture) -> None:
    exact = (SECOND + np.arange(0, 20_000, 77)) * factor
    Dataset.from_tables(log(exact))
    assert "digits were lost" not in caplog.text
    Dataset.from_tables(log(np.arange(0, 20 * 28_800, 28_800) + SECOND // 28_800 * 28_800))  # every eight hours
    assert "digits were lost" not in caplog.text
    data = Dataset.from_tables(log(exact.astype(np.float32).astype(np.int64)))
    assert "all are numbers that Float32 holds, minutes apart: digits were lost" in caplog.text
    assert any("digits were lost" in step.note for step in data.steps)
