"""Constrained decoding: between quotation marks only the texts that are allowed there can be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import LogitsProcessorList


@dataclass(frozen=True)
class Quotes:
    """What may be quoted in one answer: ``texts`` between ``opening`` and ``closing``, each one character.

    With ``once`` a text that has been quoted cannot be quoted again.
    """

    opening: str
    closing: str
    texts: tuple[str, ...]
    once: bool = False

    @property
    def endings(self) -> tuple[bytes, ...]:
        """The allowed texts with the mark that closes them, as UTF-8."""
        return tuple((text + self.closing).encode() for text in self.texts)


class Vocabulary:
    """The bytes of each token that is not special, and the tokens of given bytes."""

    def __init__(self, tokenizer: Any) -> None:
        special = set(tokenizer.all_special_ids)
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        byte_of = _byte_level() if _is_byte_level(tokenizer) else None
        self.bytes_of = {
            n: _bytes_of(piece, byte_of) for n, piece in enumerate(pieces) if n not in special and piece
        }
        self.by_bytes: dict[bytes, list[int]] = {}
        for token, text in self.bytes_of.items():
            self.by_bytes.setdefault(text, []).append(token)
        self.longest = max(map(len, self.by_bytes), default=0)
        self._completing: dict[bytes, dict[int, bytes]] = {}

    def completing(self, mark: bytes, begun: bytes = b"") -> dict[int, bytes]:
        """Return the tokens, with their bytes, that hold a mark or complete one that has begun."""
        key = begun + b"|" + mark
        if key not in self._completing:
            self._completing[key] = {token: text for token, text in self.bytes_of.items() if mark in begun + text}
        return self._completing[key]


@dataclass(frozen=True)
class _State:
    """``written``: the text of the open quote so far; outside of quotes, the start of an opening mark at the end.

    ``left``: what may still be quoted, each with its closing mark.
    """

    left: tuple[bytes, ...]
    in_quote: bool = False
    written: bytes = b""


class QuoteConstraint:
    """Follows one answer token by token and says which tokens may come next."""

    def __init__(self, vocabulary: Vocabulary, quotes: Quotes) -> None:
        self.vocabulary, self.quotes = vocabulary, quotes
        self.opening, self.closing = quotes.opening.encode(), quotes.closing.encode()
        self.state = self.start = _State(quotes.endings)
        self._forbidden: dict[_State, list[int]] = {}

    @property
    def in_quote(self) -> bool:
        """Whether a quote is open."""
        return self.state.in_quote

    def read(self, token: int) -> None:
        """Take note of the token that was chosen."""
        self.state = self.next_state(self.state, self.vocabulary.bytes_of.get(token, b"")) or self.start

    def next_state(self, state: _State, text: bytes) -> _State | None:
        """Return the state after ``text``, None if it quotes what is not allowed."""
        while text:
            if not state.in_quote:
                outside, mark, text = (state.written + text).partition(self.opening)
                written = b"" if mark else _mark_prefix(outside, self.opening)
                state = replace(state, in_quote=bool(mark), written=written)
                continue
            written = state.written + text
            closed = max((end for end in state.left if written.startswith(end)), key=len, default=None)
            if closed is not None:
                left = tuple(end for end in state.left if end != closed) if self.quotes.once else state.left
                state, text = _State(left), written[len(closed) :]
                continue
            return replace(state, written=written) if any(end.startswith(written) for end in state.left) else None
        return state

    def forbidden(self) -> list[int]:
        """Return the tokens that may not come next outside of quotes: they open one wrongly."""
        if self.state not in self._forbidden:
            opening = self.vocabulary.completing(self.opening, self.state.written)
            # With nothing left to quote the mark itself would lead nowhere.
            over = not self.state.left
            wrong = (token for token, text in opening.items() if over or not self.next_state(self.state, text))
            self._forbidden[self.state] = list(wrong)
        return self._forbidden[self.state]

    def allowed(self) -> list[int]:
        """Return the tokens that may continue the open quote."""
        tokens: list[int] = []
        closing = self.vocabulary.completing(self.closing)
        for ending in self.state.left:
            if not ending.startswith(self.state.written):
                continue
            rest = ending[len(self.state.written) :]
            for length in range(1, min(len(rest), self.vocabulary.longest) + 1):
                tokens += self.vocabulary.by_bytes.get(rest[:length], [])
            if len(rest) < self.vocabulary.longest:  # a token may close the quote and go on: '",' or '".'
                longer = (token for token, text in closing.items() if text.startswith(rest))
                tokens += [token for token in longer if self.next_state(self.state, closing[token])]
        return tokens


def _mark_prefix(text: bytes, mark: bytes) -> bytes:
    """Return the longest end of a text that a mark begins with: a mark may be spread over several tokens."""
    return next((mark[:n] for n in range(len(mark) - 1, 0, -1) if text.endswith(mark[:n])), b"")


def allowed_only(tokenizer: Any, quotes: Sequence[Quotes], width: int) -> LogitsProcessorList:
    """Return the processor that holds each row to its quotes. Answers begin after ``width`` tokens."""
    import torch
    from transformers import LogitsProcessor, LogitsProcessorList

    vocabulary = _vocabulary(tokenizer)
    constraints = [QuoteConstraint(vocabulary, one) for one in quotes]

    class InQuotes(LogitsProcessor):  # type: ignore[misc, unused-ignore]
        def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
            chosen = input_ids[:, -1].tolist() if input_ids.shape[1] > width else None
            for row, constraint in enumerate(constraints):
                if chosen is not None:
                    constraint.read(chosen[row])
                if not constraint.in_quote:
                    scores[row, constraint.forbidden()] = -torch.inf
                    continue
                allowed = constraint.allowed()
                allowed_scores = scores[row, allowed].clone()
                scores[row] = -torch.inf
                scores[row, allowed] = allowed_scores
            return scores

    return LogitsProcessorList([InQuotes()])


@lru_cache(maxsize=4)
def _vocabulary(tokenizer: Any) -> Vocabulary:
    return Vocabulary(tokenizer)


def _is_byte_level(tokenizer: Any) -> bool:
    return "ByteLevel" in str(getattr(tokenizer.backend_tokenizer, "decoder", ""))


def _byte_level() -> dict[str, int]:
    """Return what byte each character of a byte-level vocabulary stands for (Radford et al. 2019)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    other = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + n): byte for n, byte in enumerate(other)}


def _bytes_of(piece: str, byte_of: dict[str, int] | None) -> bytes:
    if byte_of is not None and all(letter in byte_of for letter in piece):
        return bytes(byte_of[letter] for letter in piece)
    if piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:-1], 16)])
    return piece.replace("▁", " ").encode()
