"""Toy data has the order that it promises."""

from __future__ import annotations

from itertools import pairwise

import pytest

from llmrec.data import Split, toy_films
from llmrec.errors import DataError


@pytest.mark.parametrize("n_items", [4, 20, 100, 250])
def test_the_next_film_is_the_next_in_cyclic_order(n_items: int) -> None:
    data = toy_films(n_items=n_items, n_users=30, length=6, seed=2)
    assert len(data.catalog) == n_items
    assert len(set(data.catalog.titles)) == n_items
    assert not data.order_only
    histories = list(data.histories)
    assert len(histories) == 30
    for items in histories:
        assert all(int(after) == (int(item) + 1) % n_items for item, after in pairwise(items))


def test_the_answer_of_a_split_follows_its_history() -> None:
    split = Split.leave_last_out(toy_films())
    answers = split.test.answers["item_id"].to_list()
    assert len(answers) == 60
    for items, answer in zip(split.test.histories, answers, strict=True):
        assert int(answer) == (int(items[-1]) + 1) % 20


def test_a_seed_determines_the_data() -> None:
    assert toy_films().fingerprint == toy_films().fingerprint != toy_films(seed=1).fingerprint
    assert toy_films().catalog.titles[7] == "Film 07: Burning Clock"
    with pytest.raises(DataError, match="need 4 films"):
        toy_films(n_items=3)
