"""Constrained decoding: between quotation marks only the texts that are allowed there can be written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import LogitsProcessorList


@dataclass(frozen=True)
class Quotes:
    """What may be quoted in one answer: ``texts`` between ``opening`` and ``closing``, each one character."""

    opening: str
    closing: str
    texts: tuple[str, ...]

    @property
    def endings(self) -> tuple[bytes, ...]:
        """The allowed texts with the mark that closes them, as UTF-8."""
        return tuple((text + self.closing).encode() for text in self.texts)


class Vocabulary:
    """The bytes of each token. ``by_bytes`` finds a token; ``quoting`` lists those that hold a given mark."""

    def __init__(self, tokenizer: Any) -> None:
        special = set(tokenizer.all_special_ids)
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        plain = _byte_level() if _is_byte_level(tokenizer) else None
        known = {n: _bytes_of(piece, plain) for n, piece in enumerate(pieces) if n not in special and piece}
        self.size = len(pieces)
        self.by_bytes: dict[bytes, list[int]] = {}
        for token, text in known.items():
            self.by_bytes.setdefault(text, []).append(token)
        self.bytes_of = known
        self.longest = max(map(len, self.by_bytes), default=0)

    def quoting(self, mark: bytes) -> dict[int, bytes]:
        """Return the tokens that hold a mark, with their bytes."""
        return {token: text for token, text in self.bytes_of.items() if mark in text}


class Follower:
    """Follows one answer token by token and says which tokens may come next."""

    def __init__(self, vocabulary: Vocabulary, quotes: Quotes) -> None:
        self.vocabulary, self.quotes = vocabulary, quotes
        self.opening, self.closing = quotes.opening.encode(), quotes.closing.encode()
        # Outside of quotes only tokens that open one can go wrong, and always the same ones.
        self.banned = [
            token for token, text in vocabulary.quoting(self.opening).items() if self.after(None, text) is False
        ]
        self.closers = vocabulary.quoting(self.closing)
        self.inside: bytes | None = None

    def read(self, token: int) -> None:
        """Take note of the token that was chosen."""
        state = self.after(self.inside, self.vocabulary.bytes_of.get(token, b""))
        self.inside = None if state is False else state

    def after(self, inside: bytes | None, text: bytes) -> bytes | bool | None:
        """Return what stands in the open quote after ``text``, None outside of quotes, False if not allowed."""
        state = inside
        while text:
            if state is None:
                _, mark, text = text.partition(self.opening)
                state = b"" if mark else None
                if not mark or not text:
                    break
                continue
            said = state + text
            closed = max((end for end in self.quotes.endings if said.startswith(end)), key=len, default=None)
            if closed is not None:
                state, text = None, said[len(closed) :]
                continue
            return said if any(end.startswith(said) for end in self.quotes.endings) else False
        return state

    def allowed(self) -> list[int]:
        """Return the tokens that may continue the open quote."""
        assert self.inside is not None
        found: list[int] = []
        for ending in self.quotes.endings:
            if not ending.startswith(self.inside):
                continue
            left = ending[len(self.inside) :]
            for length in range(1, min(len(left), self.vocabulary.longest) + 1):
                found += self.vocabulary.by_bytes.get(left[:length], [])
        # A token may close the quote and go on: '",' or '".'.
        return found + [
            token for token, text in self.closers.items() if self.after(self.inside, text) is not False
        ]


def allowed_only(tokenizer: Any, quotes: Sequence[Quotes], width: int) -> LogitsProcessorList:
    """Return the processor that keeps each row to its quotes. Answers begin behind ``width`` tokens."""
    import torch
    from transformers import LogitsProcessor, LogitsProcessorList

    vocabulary = _vocabulary(tokenizer)
    followers = [Follower(vocabulary, one) for one in quotes]

    class InQuotes(LogitsProcessor):  # type: ignore[misc, unused-ignore]
        def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
            chosen = input_ids[:, -1].tolist() if input_ids.shape[1] > width else None
            for row, follower in enumerate(followers):
                if chosen is not None:
                    follower.read(chosen[row])
                if follower.inside is None:
                    scores[row, follower.banned] = -torch.inf
                    continue
                allowed = follower.allowed()
                kept = scores[row, allowed].clone()
                scores[row] = -torch.inf
                scores[row, allowed] = kept
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


def _bytes_of(piece: str, plain: dict[str, int] | None) -> bytes:
    if plain is not None and all(letter in plain for letter in piece):
        return bytes(plain[letter] for letter in piece)
    if piece.startswith("<0x") and piece.endswith(">"):
        return bytes([int(piece[3:-1], 16)])
    return piece.replace("▁", " ").encode()
