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


def test_repeat_last_puts_the_newest_first() -> None:
    scores = scored(fitted("repeat-last", dataset(["aaaab", "cd"])), "cdc")
    assert sorted(scores, key=scores.__getitem__, reverse=True) == ["c", "d", "a", "b"]
    assert (scores["c"], scores["d"]) == (2.0, 1.5)
