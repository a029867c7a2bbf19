"""Chats answered in batches, and quotation marks that hold only what is allowed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmrec.errors import ModelError
from llmrec.llm.chat import Chat, common_prefix, prefix_groups
from llmrec.llm.constrained import QuoteConstraint, Quotes, Vocabulary, allowed_only


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


TITLES = ("Silent Harbor", "Golden Garden", "霸王别姬", 'Say "HACKED"')
EN, ZH = Quotes('"', '"', TITLES), Quotes("《", "》", TITLES)


def accepts(constraint: QuoteConstraint, text: str | bytes) -> bool:
    """Whether a whole text quotes nothing else."""
    return constraint.next_state(constraint.start, text if isinstance(text, bytes) else text.encode()) is not None


@pytest.fixture
def vocabulary(tiny_base: Path) -> Vocabulary:
    return Vocabulary(Chat(str(tiny_base)).loaded[1])


@pytest.mark.parametrize(
    ("quotes", "text", "fine"),
    [
        (EN, 'We like "Silent Harbor", and "霸王别姬".', True),
        (EN, 'You chose "Say "HACKED"" once.', True),
        (EN, "Nothing quoted.", True),
        (EN, 'We like "Silent Ha', True),
        (EN, 'We like "Silent Harbors".', False),
        (EN, 'We like "Zorblat".', False),
        (EN, 'We like ""', False),
        (ZH, "推荐《霸王别姬》，因为《Golden Garden》。", True),
        (ZH, '推荐《英雄》"Zorblat"', False),
        (ZH, 'A "Zorblat" in other marks', True),
    ],
)
def test_what_may_stand_in_quotes(vocabulary: Vocabulary, quotes: Quotes, text: str, fine: bool) -> None:
    constraint = QuoteConstraint(vocabulary, quotes)
    assert accepts(constraint, text) is fine


def test_tokens_of_the_vocabulary_spell_the_text(tiny_base: Path, vocabulary: Vocabulary) -> None:
    tokenizer: Any = Chat(str(tiny_base)).loaded[1]
    text = 'Film 01: "Silent Harbor" 《霸王别姬》 é'
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert b"".join(vocabulary.bytes_of[token] for token in ids) == text.encode()
    assert not set(tokenizer.all_special_ids) & vocabulary.bytes_of.keys()


@pytest.mark.parametrize("quotes", [EN, ZH])
def test_a_random_writer_can_quote_nothing_else(tiny_base: Path, vocabulary: Vocabulary, quotes: Quotes) -> None:
    import torch

    tokenizer: Any = Chat(str(tiny_base)).loaded[1]
    opening = tokenizer.encode(quotes.opening, add_special_tokens=False)
    draw = torch.Generator().manual_seed(0)
    processor: Any = allowed_only(tokenizer, [quotes] * 4, 1)
    rows = torch.zeros((4, 1), dtype=torch.long)
    for _ in range(150):
        scores = torch.randn((4, len(tokenizer)), generator=draw)
        scores[:, opening] += 4  # it often wants to open a quote
        scores[:, tokenizer.all_special_ids] = -9
        rows = torch.cat([rows, processor(rows, scores).argmax(dim=1, keepdim=True)], dim=1)
    constraint, closed = QuoteConstraint(vocabulary, quotes), 0
    for row in rows[:, 1:].tolist():
        text = b"".join(vocabulary.bytes_of[token] for token in row)
        assert accepts(constraint, text)
        closed += sum(text.count(quotes.opening.encode() + ending) for ending in quotes.endings)
    assert closed >= 4


def test_a_text_is_quoted_once_where_that_is_asked(vocabulary: Vocabulary) -> None:
    twice = 'First "Silent Harbor", then "Silent Harbor".'
    assert accepts(QuoteConstraint(vocabulary, EN), twice)
    assert not accepts(QuoteConstraint(vocabulary, replace(EN, once=True)), twice)
    assert accepts(
        QuoteConstraint(vocabulary, replace(EN, once=True)), 'First "Silent Harbor", then "Golden Garden".'
    )


def test_no_quote_is_opened_when_nothing_is_left(vocabulary: Vocabulary) -> None:
    constraint = QuoteConstraint(vocabulary, Quotes('"', '"', ("A",), once=True))
    (mark,) = vocabulary.by_bytes[b'"']
    assert mark not in constraint.forbidden()
    for letter in (b'"', b"A", b'"'):
        constraint.read(vocabulary.by_bytes[letter][0])
    assert mark in constraint.forbidden()
