"""Popularity, recent popularity and repeats by hand."""

from __future__ import annotations

import pytest
from support.letters import dataset, fitted, scored

from llmrec.errors import DataError


def test_recent_counts_the_newest_events() -> None:
    data = dataset(["aaaaa", "b"], [1, 2, 3, 4, 5, 10])
    scores = scored(fitted("recent", data, counting={"recent_share": 0.2}), "")
    assert scores == pytest.approx({"a": 1 + 5 / 7, "b": 1 + 1 / 7})
    scores = scored(fitted("recent", data, counting={"recent_share": 0.1}), "")
    assert scores == pytest.approx({"a": 5 / 7, "b": 1 + 1 / 7})
    with pytest.raises(DataError, match="mean no time, so nothing is recent; use popularity"):
        fitted("recent", dataset(["ab"], order_only=True))


def test_recent_orders_equal_counts_by_all_events_however_many_there_are() -> None:
    """Of float32, the numbers beside 2,000 are so far apart that the share of one event among 60,000 is lost."""
    counts = {"a": 2, "b": 0, "c": 3, "d": 1}  # of old events; of recent ones each has as many
    old, recent = "z" * 52_000 + "".join(item * n for item, n in counts.items()), "abcd" * 2_000
    times = [*range(len(old)), *range(len(old), len(old) + len(recent))]
    data = dataset([old + recent], times)
    scores = scored(fitted("recent", data, counting={"recent_share": len(recent) / len(times)}), "")
    assert sorted("abcd", key=scores.__getitem__) == ["b", "d", "a", "c"]
    assert len({scores[item] for item in "abcd"}) == 4
    assert all(scores[item] == pytest.approx(2_000 + 2_000 / 60_000, abs=1e-3) for item in "abcd")


def test_repeat_last_puts_the_newest_first() -> None:
    scores = scored(fitted("repeat-last", dataset(["aaaab", "cd"])), "cdc")
    assert sorted(scores, key=scores.__getitem__, reverse=True) == ["c", "d", "a", "b"]
    assert (scores["c"], scores["d"]) == (2.0, 1.5)
