"""Histories as the arrays that models read: item codes, flat, with offsets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmrec.data.catalog import Catalog
from llmrec.data.columns import ITEM
from llmrec.data.histories import Histories, offsets_of


@dataclass(frozen=True, eq=False)
class Sequences:
    """Item codes of n users: those of user n are ``codes[offsets[n]:offsets[n + 1]]``, oldest first."""

    codes: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def encode(cls, histories: Histories, catalog: Catalog) -> Sequences:
        """Look every item up. Items that are not in the catalog are left out: no model can know them."""
        codes = catalog.codes(histories.events[ITEM])
        known = codes >= 0
        before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(known)])
        return cls(codes[known], before[histories.offsets])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, n: int) -> npt.NDArray[np.int32]:
        return self.codes[self.offsets[n] : self.offsets[n + 1]]

    def lengths(self) -> npt.NDArray[np.int64]:
        """Number of known items of each user, int64 [n]."""
        return np.diff(self.offsets)

    def last(self, most: int) -> Sequences:
        """Keep only each user's newest ``most`` items."""
        lengths = np.minimum(self.lengths(), most)
        starts = self.offsets[1:] - lengths
        rows = np.repeat(starts - offsets_of(lengths)[:-1], lengths) + np.arange(lengths.sum())
        return Sequences(self.codes[rows], offsets_of(lengths))

    def users(self) -> npt.NDArray[np.int64]:
        """Return the user's number for every code, int64 [n_codes]."""
        return np.repeat(np.arange(len(self)), self.lengths())
