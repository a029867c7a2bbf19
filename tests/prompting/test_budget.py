"""The token budget: whole items only, newest first, against the obvious loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrec.data.histories import offsets_of
from llmrec.errors import PromptError
from llmrec.prompting import newest_that_fit, newest_that_fit_each

LENGTHS = st.lists(st.integers(0, 20), max_size=30)


def by_loop(lengths: list[int], budget: int) -> int:
    count = total = 0
    for length in reversed(lengths):
        total += length
        if total > budget:
            break
        count += 1
    return count


@given(LENGTHS, st.integers(20, 200))
def test_equals_the_loop(lengths: list[int], budget: int) -> None:
    assert newest_that_fit(lengths, budget) == by_loop(lengths, budget)


@given(LENGTHS, st.integers(20, 200))
def test_fits_and_could_not_hold_one_more(lengths: list[int], budget: int) -> None:
    count = newest_that_fit(lengths, budget)
    newest = lengths[len(lengths) - count :]
    assert sum(newest) <= budget
    assert count == len(lengths) or sum(newest) + lengths[len(lengths) - count - 1] > budget


@given(st.lists(LENGTHS, max_size=6), st.integers(20, 200))
def test_many_histories_equal_one_by_one(histories: list[list[int]], budget: int) -> None:
    flat = np.array([length for lengths in histories for length in lengths], dtype=np.int64)
    counts = newest_that_fit_each(flat, offsets_of([len(lengths) for lengths in histories]), budget)
    assert counts.dtype == np.int64
    assert counts.tolist() == [newest_that_fit(lengths, budget) for lengths in histories]


def test_known_answers() -> None:
    assert newest_that_fit([5, 5, 5], 10) == 2
    assert newest_that_fit([5, 5, 5], 14) == 2
    assert newest_that_fit([100, 3], 10) == 1
    assert newest_that_fit([], 10) == 0
    assert newest_that_fit([10], 10) == 1


def test_an_item_that_never_fits_is_an_error() -> None:
    with pytest.raises(PromptError, match="its newest item alone takes 11 tokens, the budget leaves 10"):
        newest_that_fit([1, 11], 10)
    with pytest.raises(PromptError, match="history 1: its newest item alone takes 30"):
        newest_that_fit_each(np.array([1, 2, 30]), np.array([0, 2, 3]), 10)
