"""Write histories for the LLM: every item's line is tokenized once, a history is a concatenation."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Int64s, Integers
from llmrec.config import Encoding
from llmrec.data import Sequences
from llmrec.data.histories import offsets_of
from llmrec.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from llmrec.llm.event_tokens import EventTokens

log = logging.getLogger(__name__)
_ARRAYS = ("prefix", "tokens", "offsets")
EMPTY = -1  # no token, or no item, at this position
MAX_ITEM_TOKENS = 64  # a longer item text is cut: one item must not push a whole history out of the window


@dataclass(frozen=True, eq=False)
class Written:
    """A batch of serialized histories, right-padded: all int64.

    ``tokens`` [n, length]: token id, EMPTY at padding and where only a slot stands. ``placeholders`` [n, length]: the
    item code whose vector is read there instead of a token, else EMPTY. ``states`` [n, items + 1]: where the
    user's state after the first t items is read; places beyond a row's items repeat its last. ``bins``
    [n, length, n_fields]: what is added to a slot for its event, where slots stand alone and events are read.
    """

    tokens: Int64s
    placeholders: Int64s
    states: Int64s
    bins: Int64s | None = None

    @property
    def n_tokens(self) -> int:
        """Number of positions that are not padding."""
        return int(((self.tokens != EMPTY) | (self.placeholders != EMPTY)).sum())


@dataclass(frozen=True, eq=False)
class Serializer:
    """A catalog's tokenized lines and a prefix. ``encoding`` says how an item stands in a history.

    ``text``: its line of tokens, ended by the newline token. ``soft``: one slot for its vector. ``hybrid``:
    its line, the slot read in place of the newline; as a target the newline stays, so that a generated title
    ends. ``events``: what stands before an item's line, or is added to its slot in ``soft``, for its event.
    """

    encoding: Encoding
    prefix: Int64s
    tokens: Int64s
    offsets: Int64s
    events: EventTokens | None = None

    @classmethod
    def build(
        cls, tokenizer: PreTrainedTokenizerBase, lines: list[str], *, prefix: str, encoding: Encoding
    ) -> Serializer:
        """Tokenize a prefix and one line an item. Raises ModelError for a tokenizer without a newline token."""
        newline = newline_token(tokenizer)
        cut = 0
        tokenized = []
        plain = [line.rstrip("\n") for line in lines]
        # Split: a title such as "<|im_end|>" is text, never the tokenizer's chat markup.
        options = {"add_special_tokens": False, "split_special_tokens": True}
        for ids in tokenizer(plain, **options)["input_ids"] if plain else []:
            cut += len(ids) > MAX_ITEM_TOKENS
            tokenized.append([*ids[:MAX_ITEM_TOKENS], newline])
        if cut:
            log.warning("%d of %d item texts are cut at %d tokens", cut, len(lines), MAX_ITEM_TOKENS)
        flat = np.array([token for ids in tokenized for token in ids], dtype=np.int64)
        head = np.array(tokenizer(prefix)["input_ids"] or [newline], dtype=np.int64)
        return cls(encoding, head, flat, offsets_of([len(ids) for ids in tokenized]))

    def save(self, folder: Path) -> None:
        """Write what is tokenized, for ``load``."""
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path, encoding: Encoding) -> Serializer:
        """Read what ``save`` wrote as memory-mapped arrays: a large catalog's tokens stay on disk."""
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS}
        return cls(encoding, **arrays)

    def followed_by(self, more: Serializer) -> Serializer:
        """Return a serializer of this catalog's lines and then those of ``more``."""
        offsets = np.concatenate([self.offsets, self.offsets[-1] + more.offsets[1:]])
        return replace(self, tokens=np.concatenate([self.tokens, more.tokens]), offsets=offsets)

    def costs(self) -> Int64s:
        """Number of positions each item takes in a history, int64 [n_items]."""
        lengths = np.diff(self.offsets)
        return np.ones_like(lengths) if self.encoding == "soft" else lengths

    def longest(self) -> int:
        """Positions that the longest item takes, with the longest run of an event met so far."""
        longest = int(self.costs().max(initial=0))
        if self.events is None or self.encoding == "soft":
            return longest
        return longest + int(self.events.lengths().max())

    def sizes(self, sequences: Sequences) -> Int64s:
        """Number of positions every event of some sequences takes, int64 [n_codes]."""
        return self._sizes(np.asarray(sequences.codes), sequences.event_codes)

    def _sizes(self, codes: Integers, event_codes: Integers | None) -> Int64s:
        sizes: Int64s = self.costs()[codes]
        if event_codes is None or self.events is None or self.encoding == "soft":
            return sizes
        return np.asarray(sizes + self.events.lengths()[event_codes])

    def line(self, code: int) -> Int64s:
        """Token ids of an item's line, newline included."""
        return self.tokens[self.offsets[code] : self.offsets[code + 1]]

    def write(self, inputs: Int64s, event_codes: Int64s | None = None) -> Written:
        """Serialize item codes [n, items], -1 where a row is shorter, and what their events say besides."""
        each = np.where(inputs >= 0, self._sizes(np.maximum(inputs, 0), event_codes), 0)
        ends = (
            len(self.prefix)
            - 1
            + np.concatenate([np.zeros((len(inputs), 1), dtype=np.int64), np.cumsum(each, axis=1)], axis=1)
        )
        tokens = np.full((len(inputs), int(ends[:, -1].max()) + 1), EMPTY, dtype=np.int64)
        placeholders = np.full_like(tokens, EMPTY)
        tokens[:, : len(self.prefix)] = self.prefix
        rows, places = np.nonzero(inputs >= 0)
        if self.encoding != "soft":
            for row, place in zip(rows, places, strict=True):
                line = self.line(int(inputs[row, place]))
                tokens[row, ends[row, place + 1] + 1 - len(line) : ends[row, place + 1] + 1] = line
                if self.events is not None and event_codes is not None:
                    start, words = ends[row, place] + 1, self.events.tokens(int(event_codes[row, place]))
                    tokens[row, start : start + len(words)] = words
        if self.encoding != "text":
            at = ends[rows, places + 1]
            placeholders[rows, at] = inputs[rows, places]
        return Written(
            tokens,
            placeholders,
            ends,
            self._levels(placeholders, (rows, ends[rows, places + 1]), event_codes, (rows, places)),
        )

    def _levels(
        self,
        placeholders: Int64s,
        at: tuple[Int64s, Int64s],
        event_codes: Int64s | None,
        events: tuple[Int64s, Int64s],
    ) -> Int64s | None:
        if self.events is None or event_codes is None or self.encoding != "soft":
            return None
        combinations = self.events.combinations
        bins = np.zeros((*placeholders.shape, combinations.shape[1]), dtype=np.int64)
        bins[at] = combinations[event_codes[events]]
        return bins


def newline_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id of the newline token. Raises ModelError if the tokenizer has none."""
    ids = tokenizer("\n", add_special_tokens=False)["input_ids"]
    if not ids or tokenizer.decode(ids[-1:]) != "\n":
        raise ModelError(
            "this base model's tokenizer has no newline token, which ends every item's line; choose another base"
        )
    return int(ids[-1])
