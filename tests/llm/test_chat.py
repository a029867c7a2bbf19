"""Chats answered in batches: the batch and a common prefix change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrec.errors import ModelError
from llmrec.llm.chat import Chat, common_prefix, prefix_groups


def chats(*titles: str) -> list[list[dict[str, str]]]:
    return [[{"role": "system", "content": "Say a film."}, {"role": "user", "content": title}] for title in titles]


def test_rows_with_a_common_prefix_are_grouped_and_sorted_by_length() -> None:
    rows = [[1, 2, 3, 4, 5, 6], [9, 9, 9, 8], [1, 2, 3, 4, 7], [9, 9, 9, 7, 7], [1, 2, 3, 4]]
    assert list(prefix_groups(rows, 2)) == [[4, 2, 0], [1, 3]]
    assert list(prefix_groups([], 2)) == []
    assert list(prefix_groups([[1, 1], [2, 2], [3, 3]], 1)) == [[0], [1], [2]]
    # What would not fill a batch is answered together, shortest first, though it begins differently.
    assert list(prefix_groups([[1, 1, 1], [2, 2], [3, 3]], 2)) == [[1, 2, 0]]
    assert list(prefix_groups(rows, 3)) == [[4, 2, 0], [1, 3]]
    assert sorted(n for group in prefix_groups(rows, 4) for n in group) == list(range(5))


def test_common_prefix_leaves_each_row_a_token() -> None:
    assert common_prefix([[1, 2, 3], [1, 2, 4, 5]]) == 2
    assert common_prefix([[1, 2, 3], [1, 2, 3]]) == 2
    assert common_prefix([[1], [1, 2]]) == 0


def test_different_starts_in_one_call_equal_one_by_one(tiny_base: Path) -> None:
    chat = Chat(str(tiny_base), max_new_tokens=8, batch=2)
    mixed = [*chats("A", "Bee", "A much longer title"), [{"role": "user", "content": "Something else entirely"}]]
    assert chat.answer(mixed) == [chat.answer([one])[0] for one in mixed]


def test_a_model_without_a_chat_template_is_refused(tiny_base: Path) -> None:
    chat = Chat(str(tiny_base))
    chat.loaded[1].chat_template = None
    model, tokenizer = chat.loaded
    fresh = Chat("plain")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("llmrec.llm.weights.load_causal_lm", lambda base: (model, tokenizer))
        with pytest.raises(ModelError, match="'plain' has no chat template"):
            fresh.answer(chats("A"))
