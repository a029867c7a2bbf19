"""Markov chains against shares counted by hand."""

from __future__ import annotations

import pytest
from support.letters import dataset, fitted, scored


def test_markov_adds_the_shares_of_each_context() -> None:
    data = dataset(["abc", "abd", "xbd", "xbd"])
    share = {"a": 2, "b": 4, "c": 1, "d": 3, "x": 2}
    one, three = fitted("markov", data), fitted("markov", data, counting={"order": 3})
    assert scored(one, "ab") == pytest.approx(
        {item: n / 12 + {"c": 1 / 4, "d": 3 / 4}.get(item, 0) for item, n in share.items()}
    )
    assert scored(three, "ab") == pytest.approx(
        {item: n / 12 + {"c": 1 / 4 + 1 / 2, "d": 3 / 4 + 1 / 2}.get(item, 0) for item, n in share.items()}
    )
    assert scored(three, "cb") == pytest.approx(scored(one, "cb"))  # nobody had b after c: backed off
    assert scored(three, "") == pytest.approx({item: n / 12 for item, n in share.items()})


def test_markov_does_not_step_from_one_user_to_the_next() -> None:
    scores = scored(fitted("markov", dataset(["ab", "cd"]), counting={"order": 2}), "b")
    assert set(scores.values()) == {0.25}
