"""Write histories for the LLM: every item's text is tokenized once, a history is a concatenation."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Int64s, Integers
from llmrec.data import Sequences
from llmrec.errors import ModelError
from llmrec.llm.encodings import EventSpans, HistoryEncoding
from llmrec.llm.ragged import RaggedTokens
from llmrec.prompting.budget import NewestCosts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from llmrec.llm.event_tokens import EventTokens

log = logging.getLogger(__name__)
EMPTY = -1  # no token, or no item, at this position
ENCODER = "encoder_"  # before the names of files with texts that item vectors encode
NO_FIELDS = RaggedTokens.of([[]])  # what events say where nothing is read of them
MAX_ITEM_TOKENS = 64  # a longer item text is cut: one item must not push a whole history out of the window


@dataclass(frozen=True, eq=False)
class SerializedHistories:
    """A batch of serialized histories, padded on the right: all int64.

    ``tokens`` [n, length]: token ids, EMPTY at padding and where only a vector is read. ``placeholders``
    [n, length]: the item code whose vector is read there instead of a token, else EMPTY. ``states``
    [n, items + 1]: the position at which the user's state after the first t items is read; beyond a row's items
    its last one is repeated. ``bins`` [n, length, n_fields]: what is added to an item's vector for its event,
    where the encoding embeds event fields and events are read.
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
    """A prompt's prefix and a catalog's item texts in tokens, each ended by a newline; ``encoding`` writes them.

    ``events``: what events say besides their items, None where that is not read. ``encoder_tokens``: the texts
    that item vectors encode, where they are others than those in histories.
    """

    encoding: HistoryEncoding
    prefix: Int64s
    item_tokens: RaggedTokens
    events: EventTokens | None = None
    encoder_tokens: RaggedTokens | None = None

    @classmethod
    def build(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        texts: list[str],
        *,
        prefix: str,
        encoding: HistoryEncoding,
        encoder_texts: list[str] | None = None,
    ) -> Serializer:
        """Tokenize a prefix and one text an item. Raises ModelError for a tokenizer without a newline token."""
        start = np.array(tokenizer(prefix)["input_ids"] or [newline_token(tokenizer)], dtype=np.int64)
        encoded = None if encoder_texts is None else tokenized_items(tokenizer, encoder_texts)
        return cls(encoding, start, tokenized_items(tokenizer, texts), encoder_tokens=encoded)

    @property
    def encoded(self) -> RaggedTokens:
        """The texts that item vectors encode."""
        return self.item_tokens if self.encoder_tokens is None else self.encoder_tokens

    def save(self, folder: Path) -> None:
        """Write what is tokenized, for ``load``."""
        arrays = {"prefix": self.prefix, "tokens": self.item_tokens.tokens, "offsets": self.item_tokens.offsets}
        if self.encoder_tokens is not None:
            arrays |= {
                ENCODER + "tokens": self.encoder_tokens.tokens,
                ENCODER + "offsets": self.encoder_tokens.offsets,
            }
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array)

    @classmethod
    def load(cls, folder: Path, encoding: HistoryEncoding) -> Serializer:
        """Read what ``save`` wrote as memory-mapped arrays: a large catalog's tokens stay on disk."""

        def read(name: str) -> Int64s:
            array: Int64s = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            return array

        def ragged(prefix: str) -> RaggedTokens:
            return RaggedTokens(read(f"{prefix}tokens"), read(f"{prefix}offsets"))

        encoded = ragged(ENCODER) if (folder / f"{ENCODER}tokens.npy").is_file() else None
        return cls(encoding, read("prefix"), ragged(""), encoder_tokens=encoded)

    def with_rows(self, rows: Int64s, texts: Serializer) -> Serializer:
        """Return a serializer with the items of ``texts`` at rows [n]; rows beyond this catalog's are new."""
        n = len(self.item_tokens)
        order = np.arange(max(n, int(rows.max(initial=-1)) + 1))
        order[rows] = n + np.arange(len(rows))
        grown = replace(self, item_tokens=self.item_tokens.followed_by(texts.item_tokens).take(order))
        if self.encoder_tokens is None:
            return grown
        return replace(grown, encoder_tokens=self.encoder_tokens.followed_by(texts.encoded).take(order))

    def costs(self) -> Int64s:
        """Number of positions that each item takes at most, int64 [n_items]."""
        lengths = self.item_tokens.lengths
        return self.encoding.costs(lengths, np.zeros_like(lengths))

    def longest(self) -> int:
        """Positions that the longest item takes, with the longest event met so far."""
        lengths = self.item_tokens.lengths
        longest = 0 if self.events is None else int(self.events.tokens.lengths.max())
        return int(self.encoding.costs(lengths, np.full_like(lengths, longest)).max(initial=0))

    @cached_property
    def overhead(self) -> int:
        """Positions that a window takes at most besides its events: the prefix, and what the newest add."""
        costs = self.encoding.newest_costs(self.item_tokens.lengths)
        return len(self.prefix) + NewestCosts(self.encoding.n_newest, costs).most

    def newest_costs(self, sequences: Sequences) -> NewestCosts:
        """Return what events take besides where they are the newest of a window."""
        lengths = self.item_tokens.lengths[sequences.codes]
        return NewestCosts(self.encoding.n_newest, self.encoding.newest_costs(lengths))

    def sizes(self, sequences: Sequences) -> Int64s:
        """Number of positions that every event takes at most, int64 [n_codes]."""
        return self.encoding.costs(*self._lengths(np.asarray(sequences.codes), sequences.event_codes))

    def sizes_at_end(self, sequences: Sequences) -> Int64s:
        """Number of positions that every event takes in a window that ends where its history does [n_codes]."""
        n_later = np.repeat(sequences.offsets[1:], sequences.lengths()) - 1 - np.arange(len(sequences.codes))
        added = np.where(n_later < self.encoding.n_newest, self.newest_costs(sequences).costs, 0)
        return self.sizes(sequences) + added

    def write(self, inputs: Int64s, event_codes: Int64s | None = None) -> SerializedHistories:
        """Serialize item codes [n, items], -1 at padding, and what their events say besides."""
        sizes = self.encoding.sizes(inputs, *self._lengths(np.maximum(inputs, 0), event_codes))
        totals = np.cumsum(np.where(inputs >= 0, sizes, 0), axis=1)
        ends = len(self.prefix) - 1 + np.concatenate([np.zeros((len(inputs), 1), dtype=np.int64), totals], axis=1)
        tokens = np.full((len(inputs), int(ends[:, -1].max()) + 1), EMPTY, dtype=np.int64)
        placeholders = np.full_like(tokens, EMPTY)
        tokens[:, : len(self.prefix)] = self.prefix
        spans = self._spans(inputs, ends, event_codes)
        self.encoding.write(spans, tokens, placeholders)
        bins = None
        if self.events is not None and event_codes is not None and self.encoding.embeds_fields:
            combinations = self.events.combinations
            bins = np.zeros((*tokens.shape, combinations.shape[1]), dtype=np.int64)
            bins[spans.rows, spans.ends] = combinations[event_codes[inputs >= 0]]
        return SerializedHistories(tokens, placeholders, ends, bins)

    def _lengths(self, codes: Integers, event_codes: Integers | None) -> tuple[Int64s, Int64s]:
        """Return the tokens of events' items and of their fields, both of the shape of ``codes``."""
        item_lengths = self.item_tokens.lengths[codes]
        if event_codes is None or self.events is None:
            return item_lengths, np.zeros_like(item_lengths)
        return item_lengths, self.events.tokens.lengths[event_codes]

    def _spans(self, inputs: Int64s, ends: Int64s, event_codes: Int64s | None) -> EventSpans:
        rows, columns = np.nonzero(inputs >= 0)
        items = inputs[rows, columns]
        combinations, codes = NO_FIELDS, np.zeros_like(items)
        if self.events is not None and event_codes is not None:
            combinations, codes = self.events.tokens, event_codes[rows, columns]
        starts, stops = ends[rows, columns] + 1, ends[rows, columns + 1]
        return EventSpans(rows, starts, stops, items, codes, self.item_tokens, combinations)


def tokenized_items(tokenizer: PreTrainedTokenizerBase, texts: list[str]) -> RaggedTokens:
    """Tokenize one text an item, each ended by a newline. Raises ModelError for a tokenizer without that token."""
    newline = newline_token(tokenizer)
    plain = [text.rstrip("\n") for text in texts]
    # Split: a title such as "<|im_end|>" is text, never the tokenizer's chat markup.
    options = {"add_special_tokens": False, "split_special_tokens": True}
    tokenized = tokenizer(plain, **options)["input_ids"] if plain else []
    n_cut = sum(len(ids) > MAX_ITEM_TOKENS for ids in tokenized)
    if n_cut:
        log.warning("%d of %d item texts are cut at %d tokens", n_cut, len(texts), MAX_ITEM_TOKENS)
    return RaggedTokens.of([[*ids[:MAX_ITEM_TOKENS], newline] for ids in tokenized])


def newline_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id of the newline token. Raises ModelError if the tokenizer has none."""
    ids = tokenizer("\n", add_special_tokens=False)["input_ids"]
    if not ids or tokenizer.decode(ids[-1:]) != "\n":
        raise ModelError(
            "this base model's tokenizer has no newline token, which ends every item text; choose another base"
        )
    return int(ids[-1])
