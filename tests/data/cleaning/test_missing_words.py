"""Ids that are words for nothing are dropped and counted; an id with an outsized share is named."""

from __future__ import annotations

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.sessions import session_numbers

WORDS = [
    "NA",
    "n/a",
    "null",
    "None",
    "NaN",
    "\\N",
    "undefined",
    " nil ",
    "<NA>",
    "-",
    "?",
    "#REF!",
    "Unknown",
    "anonymous",
]


def log(users: list[str], items: list[str] | None = None) -> pl.DataFrame:
    times = pl.int_range(1_600_000_000, 1_600_000_000 + len(users), eager=True)
    return pl.DataFrame({"user_id": users, "item_id": items or ["a"] * len(users), "timestamp": times})


@pytest.mark.parametrize("word", WORDS)
def test_a_word_for_nothing_is_nobody(word: str, caplog: pytest.LogCaptureFixture) -> None:
    events = log(["u", word, word, "v"], ["a", "a", "b", word])
    data = Dataset.from_tables(events)
    assert data.events.select("user_id", "item_id").rows() == [("u", "a")]
    assert [(step.name, step.removed) for step in data.steps if step.removed] == [
        ("user_id is a word for nothing", 2),
        ("item_id is a word for nothing", 1),
    ]
    assert f"({word.strip()} 2; --keep-missing-words keeps them)" in caplog.text
    everything = Dataset.from_tables(events, keep_missing_words=True)
    assert set(everything.events["user_id"]) == {"u", "v", word.strip()}


def test_names_that_only_begin_so_stay() -> None:
    users = ["nan1", "nancy", "no", "nullo", "N"]
    assert set(Dataset.from_tables(log(users)).events["user_id"]) == set(users)


def test_a_catalog_row_for_nothing_goes_too() -> None:
    items = {"item_id": ["a", "NA"], "title": ["Film A", "Nothing"]}
    data = Dataset.from_tables(log(["u"]), items=items, keep_unseen_items=True)
    assert data.catalog.titles == ["Film A"]


def test_sessions_are_named_where_users_are_missing() -> None:
    events = log(["NA", "NA", "u"]).with_columns(session_id=pl.Series(["1", "2", "3"]))
    notes = [step.note for step in Dataset.from_tables(events).steps if step.removed]
    assert notes == [
        "NA 2; --keep-missing-words keeps them; name another column of users, such as the session: "
        "--column user_id=NAME"
    ]


def test_an_outsized_id_is_named(caplog: pytest.LogCaptureFixture) -> None:
    users = ["guest"] * 30 + [f"u{n}" for n in range(30)]
    data = Dataset.from_tables(log(users, [f"i{n % 20}" for n in range(60)]))
    notes = [step.note for step in data.steps if step.name == "outsized id"]
    assert len(notes) == 1
    assert notes[0].startswith("user_id 'guest' has 30 of 60 events (50%); if it stands for many, drop it")
    assert notes[0] in caplog.text
    even = Dataset.from_tables(log([f"u{n % 3}" for n in range(60)], [f"i{n % 20}" for n in range(60)]))
    assert not [step for step in even.steps if step.name == "outsized id"]


def test_sessions_and_behaviors_that_say_nothing_are_blank() -> None:
    """Under one id they would be one session, whenever they were."""
    hours = [0, 1, 30, 31]
    rows = {
        "user_id": ["u"] * 4,
        "item_id": list("abcd"),
        "timestamp": [1_600_000_000 + 3600 * hour for hour in hours],
        "session_id": ["s", "NA", "null", "NA"],
        "behavior": ["view", "NA", "buy", "\\N"],
    }
    data = Dataset.from_tables(rows)
    assert data.events["session_id"].to_list() == ["s", None, None, None]
    assert data.events["behavior"].to_list() == ["view", None, "buy", None]
    assert session_numbers(data).tolist() == [0, 1, 2, 3]
    notes = {step.name: step.note for step in data.steps}
    assert notes["session_id: words for nothing"] == "3 of 4 cells, such as 'NA', are read as blank"
    assert notes["behavior: words for nothing"] == "2 of 4 cells, such as 'NA', are read as blank"
