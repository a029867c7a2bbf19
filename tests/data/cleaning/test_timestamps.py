"""Reading times of every form."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmrec.data.cleaning.timestamps import to_micros
from llmrec.errors import DataError

UNIX = 1_717_178_400  # 2024-05-31 18:00:00 UTC


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
    assert to_micros(pl.Series("t", [value, None]), label="log").to_list() == [UNIX * 1_000_000, None]


def test_dates_and_fractions() -> None:
    day = [1_717_113_600_000_000]
    assert to_micros(pl.Series([date(2024, 5, 31)]), label="log").to_list() == day
    assert to_micros(pl.Series(["2024-05-31"]), label="log").to_list() == day
    assert to_micros(pl.Series([1.25]), label="log").to_list() == [1_250_000]
    assert to_micros(pl.Series(["2024-05-31T00:00:00.5"]), label="log").to_list() == [day[0] + 500_000]


@pytest.mark.parametrize("value", ["soon", "2024-02-30", "31/05/2024", "", "nan", "1e30", "2024-05-31T25:00"])
def test_what_is_no_time_is_null(value: str) -> None:
    assert to_micros(pl.Series([value, "2024-05-31"]), label="log")[0] is None


def test_mixed_units_and_other_types_are_refused() -> None:
    with pytest.raises(DataError, match=r"log: column 't' mixes units: 1717178400000 is in milliseconds"):
        to_micros(pl.Series("t", [UNIX * 1000, UNIX]), label="log")
    with pytest.raises(DataError, match="Duration"):
        to_micros(pl.Series("t", [timedelta(1)]), label="log")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1)), min_size=1))
def test_iso_text_and_datetimes_agree(times: list[datetime]) -> None:
    written = pl.Series([time.isoformat() for time in times])
    read = pl.Series(times, dtype=pl.Datetime("us"))
    assert to_micros(written, label="log").equals(to_micros(read, label="log"))
