"""Reading times of every form."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec.data.cleaning.read_times import read_times
from llmrec.errors import DataError

UNIX = 1_717_178_400  # 2024-05-31 18:00:00 UTC


def micros(column: pl.Series) -> pl.Series:
    """Return microseconds, of a column whose name is t."""
    return read_times(column, label="log").micros


@pytest.mark.parametrize(
    "value",
    [
        UNIX,
        UNIX * 1000,
        UNIX * 1_000_000,
        UNIX * 1_000_000_000,
        float(UNIX),
        str(UNIX),
        f" {UNIX}.0 ",
        f"{UNIX}000",
        "2024-05-31T18:00:00Z",
        "2024-05-31 18:00",
        "2024-05-31 18:00:00 UTC",
        "2024-05-31T20:00:00+02:00",
        "2024-05-31T14:30:00.000-0330",
        datetime(2024, 5, 31, 18, tzinfo=UTC),
        datetime(2024, 5, 31, 18),
    ],
)
def test_one_time_in_many_forms(value: object) -> None:
    assert micros(pl.Series("t", [value, None])).to_list() == [UNIX * 1_000_000, None]


def test_dates_and_fractions() -> None:
    day = [1_717_113_600_000_000]
    assert micros(pl.Series([date(2024, 5, 31)])).to_list() == day
    assert micros(pl.Series(["2024-05-31"])).to_list() == day
    assert micros(pl.Series([UNIX + 0.25])).to_list() == [UNIX * 1_000_000 + 250_000]
    assert micros(pl.Series(["2024-05-31T00:00:00.5"])).to_list() == [day[0] + 500_000]


@pytest.mark.parametrize("value", ["soon", "2024-02-30", "31/05/2024", "", "nan", "1e30", "2024-05-31T25:00"])
def test_what_is_no_time_is_null(value: str) -> None:
    assert micros(pl.Series([value, "2024-05-31"]))[0] is None


def test_mixed_units_and_other_types_are_refused() -> None:
    with pytest.raises(DataError, match=r"log: column 't' mixes units: 1717178400000 is in milliseconds"):
        micros(pl.Series("t", [UNIX * 1000, UNIX]))
    with pytest.raises(DataError, match="Duration"):
        micros(pl.Series("t", [timedelta(1)]))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1)), min_size=1))
def test_iso_text_and_datetimes_agree(times: list[datetime]) -> None:
    written = pl.Series([time.isoformat() for time in times])
    read = pl.Series(times, dtype=pl.Datetime("us"))
    assert micros(written).equals(micros(read))
