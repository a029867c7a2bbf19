"""Token ids in rows of different lengths, as one flat array."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llmrec.arrays import Int64s
from llmrec.data.histories import offsets_of, ranges


@dataclass(frozen=True, eq=False)
class RaggedTokens:
    """Rows of token ids: row n is ``tokens[offsets[n]:offsets[n + 1]]``."""

    tokens: Int64s
    offsets: Int64s

    @classmethod
    def of(cls, rows: list[list[int]]) -> RaggedTokens:
        """Lay rows end to end."""
        flat = np.array([token for row in rows for token in row], dtype=np.int64)
        return cls(flat, offsets_of([len(row) for row in rows]))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int | np.integer) -> Int64s:
        return self.tokens[self.offsets[row] : self.offsets[row + 1]]

    @cached_property
    def lengths(self) -> Int64s:
        """Number of tokens of each row."""
        return np.diff(self.offsets)

    def take(self, rows: Int64s) -> RaggedTokens:
        """Return some rows, in the order given."""
        lengths = self.lengths[rows]
        return RaggedTokens(self.tokens[ranges(self.offsets[rows], lengths)], offsets_of(lengths))

    def padded(self, value: int, *, left: bool = False) -> Int64s:
        """Lay the rows side by side, ``value`` right or ``left`` of the shorter ones: int64 [n, longest]."""
        lengths = self.lengths
        longest = int(lengths.max(initial=0))
        table = np.full((len(self), longest), value, dtype=np.int64)
        starts = longest - lengths if left else np.zeros_like(lengths)
        table[np.repeat(np.arange(len(self)), lengths), ranges(starts, lengths)] = self.tokens
        return table

    def followed_by(self, more: RaggedTokens) -> RaggedTokens:
        """Append the rows of ``more``."""
        offsets = np.concatenate([self.offsets, self.offsets[-1] + more.offsets[1:]])
        return RaggedTokens(np.concatenate([self.tokens, more.tokens]), offsets)
