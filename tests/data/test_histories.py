"""Histories are built of ids of any type, name each user once, and are taken by position, slice or user."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import polars as pl
import pytest

from llmrec.data import Catalog, Histories
from llmrec.errors import DataError

TEXT = Histories.of({"7": ["1", "2"], "8": []})


@pytest.mark.parametrize(
    "items",
    [
        {7: [1, 2], 8: []},
        {7.0: [1.0, 2.0], np.int64(8): ()},
        {"7": np.array([1, 2]), "8": np.array([])},
        {"7": pd.Series([1.0, 2.0]), 8: pl.Series([], dtype=pl.Int64)},
    ],
)
def test_numbers_are_ids(items: dict[object, list[object]]) -> None:
    histories = Histories.of(items)
    assert histories.user_ids == TEXT.user_ids
    assert list(histories) == list(TEXT)
    assert histories.events.schema == TEXT.events.schema


@pytest.mark.parametrize(
    "items",
    [
        "17",
        ["1", "7"],
        [1, 7],
        17,
        None,
        pl.DataFrame({"item_id": ["1"]}),
        [[True]],
        [[1.5]],
        [[None]],
        [{"1", "2"}],
    ],
)
def test_what_is_no_history(items: object) -> None:
    with pytest.raises(DataError, match=r"a history is a list of item ids|a list of ids is meant|is no id"):
        Histories.of(items)  # type: ignore[arg-type]


def test_tables_with_ids_as_numbers() -> None:
    events = pl.DataFrame({"user_id": [7, 7, 8], "item_id": [1.0, 2.0, 3.0]})
    for users in (None, [8, 7], ["8", "7"]):
        histories = Histories.from_events(events, users=users)  # type: ignore[arg-type]
        assert list(histories.of_user("7")) == list(histories.of_user(7)) == [["1", "2"]]
    assert Histories.from_events(events.cast(pl.String)).user_ids == ("7", "8")
    assert Histories((7,), events.drop("user_id"), np.array([0, 3])).items(0) == ["1", "2", "3"]  # type: ignore[arg-type]


def test_a_user_is_there_once() -> None:
    events = pl.DataFrame({"item_id": ["1", "2"]})
    makes: list[Callable[[], Histories]] = [
        lambda: Histories(("7", "7"), events, np.array([0, 1, 2])),
        lambda: Histories.of({7: ["1"], "7": ["2"]}),
        lambda: Histories.from_events(events.with_columns(user_id=pl.lit("7")), users=["7", "8", "7"]),
        lambda: TEXT.take([0, 1, 0]),
    ]
    for make in makes:
        with pytest.raises(DataError, match="user id '7' is there 2 times; give each history another"):
            make()
    again = TEXT.take([0, 1, 0], user_ids=["a", "b", "c"])
    assert dict(zip(again.user_ids, again, strict=True)) == {"a": ["1", "2"], "b": [], "c": ["1", "2"]}


def test_one_history_by_position() -> None:
    assert (TEXT[0].user_ids, list(TEXT[0])) == (("7",), [["1", "2"]])
    assert TEXT[-1].user_ids == TEXT[np.int64(1)].user_ids == ("8",)
    assert TEXT[1:].user_ids == ("8",)
    for wrong in (2, -3, "7", 1.0, None):
        with pytest.raises(DataError, match="there is no history at"):
            TEXT[wrong]  # type: ignore[index]
    with pytest.raises(DataError, match="user '9' is not among"):
        TEXT.of_user(9)
    with pytest.raises(DataError, match=r"user id: 7\.5 is no id"):
        TEXT.of_user(7.5)  # type: ignore[arg-type]


@pytest.mark.parametrize("n_items", [3, 500])
def test_a_catalog_is_asked_by_number(n_items: int) -> None:
    titles = [f"Item {n}" for n in range(n_items)]
    catalog = Catalog(pl.DataFrame({"item_id": np.arange(n_items), "title": titles}))
    assert catalog.ids[:3] == ["0", "1", "2"]
    assert catalog.code(2) == catalog.code("2") == catalog.code(2.0) == 2  # type: ignore[arg-type]
    assert catalog.codes([0, 2.0, "1", "no"]).tolist() == [0, 2, 1, -1]  # type: ignore[list-item]
    assert catalog.codes(pl.Series([None, "1"], dtype=pl.String)).tolist() == [-1, 1]
    assert catalog.codes([]).dtype == np.int32
    with pytest.raises(DataError, match="item id: True is no id"):
        catalog.code(True)
    rows = catalog.rows_of({"item_id": [float(n_items), n_items + 1.0], "title": ["a", "b"]})
    assert rows["item_id"].to_list() == [str(n_items), str(n_items + 1)]
    with pytest.raises(DataError, match=r"new items: '2' is in the catalog already"):
        catalog.rows_of(pd.DataFrame({"item_id": [2.0], "title": ["a"]}))
    with pytest.raises(DataError, match=r"new items: 1 of 2 have no id or no title"):
        catalog.rows_of(pd.DataFrame({"item_id": [7000.0, None], "title": ["a", "b"]}))


def test_a_series_of_lists_names_its_users() -> None:
    events = pd.DataFrame({"user_id": [101, 101, 102], "item_id": [50, 181, 3]})
    histories = Histories.of(events.groupby("user_id")["item_id"].apply(list))
    assert dict(zip(histories.user_ids, histories, strict=True)) == {"101": ["50", "181"], "102": ["3"]}
    assert Histories.of(pl.Series([["1"], ["2"]])).user_ids == ("0", "1")
    with pytest.raises(DataError, match="user id '7' is there 2 times"):
        Histories.of(pd.Series([["1"], ["2"]], index=[7, 7]))


def test_some_users_in_the_order_asked_for() -> None:
    chosen = TEXT.of_users([8, "7"])
    assert dict(zip(chosen.user_ids, chosen, strict=True)) == {"8": [], "7": ["1", "2"]}
    assert len(TEXT.of_users([])) == 0
    with pytest.raises(DataError, match="user '9' is not among the 2 users of these histories"):
        TEXT.of_users(["7", "9"])


SECONDS = [1_577_836_800, 1_580_515_200]  # 2020-01-01, 2020-02-01


@pytest.mark.parametrize(
    "times",
    [
        ["2020-01-01", "2020-02-01"],
        ["2020-01-01T00:00:00Z", "2020-02-01T01:00:00+01:00"],
        ["1 Jan 2020", "1 Feb 2020"],
        [str(seconds) for seconds in SECONDS],
        [seconds * 1000 for seconds in SECONDS],
        [seconds * 10**9 for seconds in SECONDS],
        pd.to_datetime(["2020-01-01", "2020-02-01"]),
        pd.to_datetime(SECONDS, unit="s", utc=True),
        [float(seconds) for seconds in SECONDS],
    ],
)
def test_times_are_seconds_however_they_are_written(times: object) -> None:
    table = pd.DataFrame({"user_id": ["7", "7"], "item_id": ["1", "2"], "timestamp": times})
    assert Histories.from_events(table).events["timestamp"].to_list() == SECONDS
    with pytest.raises(DataError, match="the events of user '7' go back in time"):
        Histories.from_events(table[::-1])


def test_small_numbers_are_an_order_and_unknown_times_stay_so() -> None:
    for times in ([1, 2, 3], [1.5, None, 1.5], [1.0, float("nan"), 2.0], [None, None, None]):
        table = pl.DataFrame({"user_id": "7", "item_id": ["1", "2", "3"], "timestamp": times}, strict=False)
        known = [None if time != time else time for time in table["timestamp"].to_list()]  # NaN is unknown, too
        assert Histories.from_events(table).events["timestamp"].to_list() == known


@pytest.mark.parametrize(
    ("column", "cells", "said"),
    [
        ("timestamp", ["2020-01-01", "soon"], "timestamp 'soon' cannot be read as a time"),
        ("timestamp", ["01/02/2020", "03/04/2020"], "timestamp '01/02/2020' cannot be read as a time"),
        ("price", ["3.5", "five"], "price 'five' is no number"),
    ],
)
def test_cells_that_cannot_be_read_are_named(column: str, cells: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        Histories.from_events({"user_id": ["7", "7"], "item_id": ["1", "2"], column: cells})


def test_numbers_written_as_text() -> None:
    table = pl.DataFrame({"user_id": "7", "item_id": ["1", "2"], "rating": ["4", None], "price": ["3.5", "2"]})
    events = Histories.from_events(table).events
    assert (events["rating"].to_list(), events["price"].to_list()) == ([4.0, None], [3.5, 2.0])


def test_events_of_any_frame_in_time_order() -> None:
    rows = {"user_id": [7, 8, 7], "item_id": [1, 2, 3], "timestamp": [5, 1, 6]}
    histories = Histories.from_events(pd.DataFrame(rows))
    assert histories.user_ids == ("7", "8")
    assert list(histories) == [["1", "3"], ["2"]]
    with pytest.raises(DataError, match="the events of user '7' go back in time; sort them by timestamp"):
        Histories.from_events(rows | {"timestamp": [5, 1, 4]})
    with pytest.raises(DataError, match="no column 'item_id' among user_id"):
        Histories.from_events({"user_id": [1]})
