"""Constrained decoding: quotation marks hold only what is allowed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmrec.llm.chat import Chat
from llmrec.llm.constrained import QuoteConstraint, Quotes, Vocabulary, allowed_only

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
