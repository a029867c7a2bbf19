"""Held-out events that are no positive targets are no answers, and leak nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from support.properties import searched

from llmrec.data import Dataset, Split
from llmrec.data.splits.parts import CONTEXT_ONLY, TEST, TRAIN, VALID
from llmrec.errors import DataError

DAY = 86400


def shop(users: dict[str, str]) -> Dataset:
    """A shop: each letter is an item bought, an upper-case one sent back; a blank is a day's pause."""
    rows = []
    for user, letters in users.items():
        time = 1_600_000_000
        for letter in letters:
            time += DAY if letter == " " else 60
            if letter != " ":
                behavior = "return" if letter.isupper() else "purchase"
                rows.append((user, letter.lower(), time, behavior))
    return Dataset.from_tables(
        pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp", "behavior"], orient="row")
    )


def history(split: Split, user: str) -> str:
    events = split.test.histories.of_user(user).events
    pairs = events.select("item_id", "behavior").iter_rows()
    return "".join(item.upper() if behavior == "return" else item for item, behavior in pairs)


def answers(split: Split) -> dict[str, str]:
    return {
        user: "".join(items) for user, items in split.test.answers.group_by("user_id").agg("item_id").iter_rows()
    }


def test_the_last_purchase_is_the_answer_and_what_follows_is_in_no_history() -> None:
    data = shop({"one": "abcdC", "two": "abcCdDA", "three": "aAbBcC", "few": "abAB", "back": "ABCD"})
    split = Split.leave_last_out(data)
    assert answers(split) == {"one": "d", "two": "d", "three": "c"}
    assert {user: history(split, user) for user in split.test.histories.user_ids} == {
        "one": "abc",
        "two": "abcC",
        "three": "aAbB",
    }
    assert dict(split.valid.answers.iter_rows()) == {"one": "c", "two": "c", "three": "b"}
    train = split.train.events.filter(pl.col("user_id") == "two")
    assert train["item_id"].to_list() == ["a", "b"], "what was sent back after an answer is nothing to train on"
    assert split.train.events.filter(pl.col("user_id") == "back").height == 4
    # Were every event one: C, A, C (sent back), B (sent back), D (sent back).
    assert split.if_all == (5, 5)


def test_sent_back_between_the_answers_is_read_but_not_trained_on() -> None:
    split = Split.leave_last_k(shop({"u": "abAcBdCeDf"}), k=2)
    assert history(split, "u") == "abAcBdC"
    assert answers(split) == {"u": "ef"}
    assert split.train.events["item_id"].to_list() == ["a", "b", "a"]
    assert [split.parts.tolist().count(part) for part in (TRAIN, VALID, TEST, CONTEXT_ONLY)] == [3, 4, 3, 0]


LOGS = st.lists(st.text("abcdefABC ", min_size=1, max_size=14), min_size=3, max_size=12)


@searched(40)
@pytest.mark.parametrize("name", ["leave-last-out", "global-time", "user-disjoint", "cold-items", "per-session"])
def test_every_answer_is_a_positive_target_and_nothing_later_is_trained_on(name: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(users=LOGS)
    def check(users: list[str]) -> None:
        check_answers(name, users)

    check()


def check_answers(name: str, users: list[str]) -> None:
    try:
        data = shop({f"u{n}": letters for n, letters in enumerate(users)})
        split = Split.by_name(name, data)
    except (DataError, pl.exceptions.PolarsError):
        return
    event("split")
    for fold in (split.test, split.valid):
        assert fold.answers.height <= fold.events.height  # type: ignore[union-attr]
        chosen = data.events.filter(pl.col("behavior") == "purchase").select("user_id", "item_id")
        assert fold.answers.join(chosen, on=["user_id", "item_id"], how="anti").is_empty()
    if name in {"leave-last-out", "per-session"}:
        first = split.test_answers.group_by("user_id").agg(pl.col("timestamp").min().alias("answer"))
        later = split.train.events.join(first, on="user_id").filter(pl.col("timestamp") > pl.col("answer"))
        assert later.is_empty()


def test_without_such_events_splits_are_what_they_were() -> None:
    users = {"one": "abcde", "two": "abcd fgh ab cd", "three": "ab"}
    data = shop(users)
    assert "positive_target" not in data.events.columns
    order = [user for user, _ in data.events.group_by("user_id", maintain_order=True).len().iter_rows()]
    assert order == ["one", "three", "two"]
    parts = Split.leave_last_out(data).parts
    assert parts.tolist() == [0, 0, 0, 1, 2, 0, 0, *[0] * 9, 1, 2]
    assert Split.leave_last_out(data).if_all is None


def test_a_session_of_returns_alone_is_no_answer() -> None:
    split = Split.per_session(shop({"u": "ab cd B ef EF"}))
    assert answers(split) == {"u": "ef"}
    assert history(split, "u") == "abcdB"
    assert dict(split.valid.answers.group_by("user_id").agg("item_id").iter_rows()) == {"u": ["c", "d"]}


def test_user_disjoint_asks_for_the_last_purchase() -> None:
    split = Split.user_disjoint(shop({f"u{n}": "abcC" for n in range(10)}))
    assert set(answers(split).values()) == {"c"}
    assert {history(split, user) for user in split.test.histories.user_ids} == {"ab"}
    assert split.if_all == (1, 1)


def test_a_split_that_holds_out_returns_alone_is_refused() -> None:
    rows = {"user_id": ["u", "v", "w"] * 4, "item_id": list("abcdefghijkl")}
    times = {"timestamp": [1_600_000_000 + n for n in range(12)]}
    data = Dataset.from_tables(pl.DataFrame(rows | times | {"behavior": ["purchase"] * 9 + ["return"] * 3}))
    with pytest.raises(DataError, match=r"global-time holds out no positive target: 3 of 12 .*--positive"):
        Split.global_time(data)
    with pytest.raises(DataError, match="no user has 3 positive targets"):
        Split.leave_last_out(shop({"u": "abA", "v": "aBC"}))


def test_a_saved_split_of_other_positive_targets_is_refused(tmp_path: Path) -> None:
    data = shop({"one": "abcdC", "two": "abcCdDA"})
    split = Split.leave_last_out(data)
    split.save(tmp_path / "split")
    assert Split.load(tmp_path / "split", data).if_all == split.if_all == (2, 2)
    with pytest.raises(DataError, match="or with other positive targets"):
        Split.load(tmp_path / "split", data.with_positive("all"))


def test_with_all_the_last_event_is_the_answer() -> None:
    split = Split.leave_last_out(shop({"one": "abcdC", "two": "abcCdDA"}).with_positive("all"))
    assert answers(split) == {"one": "c", "two": "a"}
    assert split.if_all == (2, 2)
