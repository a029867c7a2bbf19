"""What a client sends of what its user gives: users, lists, tables, events."""

from __future__ import annotations

import httpx2
import pandas as pd
import polars as pl
import pytest

from llmrec import Client
from llmrec.client.sent import events_of, queries_of
from llmrec.errors import DataError

EVENTS = pd.DataFrame({"user_id": ["ann", "ann", "ben"], "item_id": [3, 4, 5]})


@pytest.mark.parametrize("users", [["7", "8"], pd.Series([7, 8]), pl.Series(["7", "8"]), iter(["7", 8]), (7, 8)])
def test_ids_are_of_users(users: object) -> None:
    assert queries_of(users) == (["7", "8"], [{"user_id": "7"}, {"user_id": "8"}])


@pytest.mark.parametrize(
    "lists",
    [
        {"ann": ["3", "4"], "ben": ["5"]},
        EVENTS,
        pl.from_pandas(EVENTS).lazy(),
        EVENTS.groupby("user_id")["item_id"].apply(list),
    ],
)
def test_lists_are_histories(lists: object) -> None:
    assert queries_of(lists) == (["ann", "ben"], [{"history": ["3", "4"]}, {"history": ["5"]}])


def test_lists_without_names_are_numbered() -> None:
    for lists in ([["3"], [4]], pl.Series([["3"], ["4"]])):
        assert queries_of(lists) == (["0", "1"], [{"history": ["3"]}, {"history": ["4"]}])


def test_events_are_a_list() -> None:
    assert events_of([3, "4", {"item_id": "5", "rating": 2}]) == [
        {"item_id": "3"},
        {"item_id": "4"},
        {"item_id": "5", "rating": 2},
    ]
    for wrong in ("34", {"item_id": "3"}):
        with pytest.raises(DataError, match="events are a list of item ids or of events, not"):
            events_of(wrong)  # type: ignore[arg-type]


def test_items_that_a_service_does_not_know_are_said(caplog: pytest.LogCaptureFixture) -> None:
    answer = httpx2.Response(200, json={"accepted": 2, "duplicates": 0, "unknown_items": ["zz"]})
    client = Client("http://localhost")
    client._http = httpx2.Client(base_url="http://localhost", transport=httpx2.MockTransport(lambda _: answer))
    assert client.add_events("eve", [3, "zz"]) == 2
    assert caplog.messages == ["items that the service does not know (yet): zz"]
