"""Days of events are known where a log has times, whatever they are written as, and not where it has an order."""

from __future__ import annotations

import polars as pl

from llmrec.data.event_days import days_of, starts_of_days

NOON = 1_704_110_400  # of 2024-01-01, which is day 19,723


def events(*times: object) -> pl.DataFrame:
    return pl.DataFrame({"timestamp": pl.Series(times)})


def days(table: pl.DataFrame) -> list[int] | None:
    known = days_of(table)
    return None if known is None else known.tolist()


def test_days_are_those_of_seconds_dates_and_clocks() -> None:
    expected = [19_723, 19_753]
    seconds = pl.Series("timestamp", [NOON, NOON + 30 * 86_400])
    clocks = pl.from_epoch(seconds, time_unit="s")
    for column in (
        seconds,
        seconds.cast(pl.Float64) + 0.5,
        clocks,
        clocks.cast(pl.Datetime("ms")),
        clocks.dt.date(),
    ):
        assert days(column.to_frame()) == expected, column.dtype
        cut = starts_of_days(column.to_frame())
        assert cut is not None
        assert cut.to_list() == [day * 86_400 for day in expected]
        assert days(cut.to_frame()) == expected, "a day is that of its start"


def test_an_order_words_and_gaps_are_no_days() -> None:
    for table in (
        events(0, 1, 2),
        events("today"),
        events(NOON, None),
        events(float(NOON), float("inf")),
        pl.DataFrame({"timestamp": pl.Series([], dtype=pl.Int64)}),
        pl.DataFrame({"item_id": ["a"]}),
    ):
        assert days_of(table) is None
        assert starts_of_days(table) is None


def test_one_event_without_a_time_leaves_no_days_but_those_of_the_others_are_cut() -> None:
    mixed = events(5, NOON)
    assert days_of(mixed) is None
    cut = starts_of_days(mixed)
    assert cut is not None
    assert cut.to_list() == [0, NOON - 43_200]
    march = events(1157 * 86_400 + 40_000)
    assert days(march) == [1157]
    assert days_of(events(1157 * 86_400 - 1)) is None, "before that nobody logged"
