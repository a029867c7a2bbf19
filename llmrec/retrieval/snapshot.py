"""The rows of an index at one time: those that were built, those added since, and which of both are removed.

A snapshot never changes: a search that holds one sees nothing of what is added or removed meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import polars as pl

from llmrec.arrays import Arrays, Bools, Float32s, Int64s
from llmrec.retrieval.exact import best_of, exact_search
from llmrec.retrieval.searcher import RowMask, Searcher


@dataclass(frozen=True, eq=False)
class Built:
    """The rows that a searcher was built of, and their ids."""

    searcher: Searcher
    names: pl.Series

    @cached_property
    def ids(self) -> Arrays:
        """The ids [n] as Python's text."""
        return np.array(self.names.to_list(), dtype=object)


class Tail:
    """Rows and ids that were added, with room for more: what a snapshot has read of it stays as it is."""

    def __init__(self, width: int, capacity: int = 0) -> None:
        self.rows, self.ids = np.empty((capacity, width), dtype=np.float32), np.empty(capacity, dtype=object)
        self.used = 0

    def extended(self, n: int, rows: Float32s, ids: Sequence[str]) -> Tail:
        """Return a tail whose rows after the first n are these: this one, where no others follow and they fit."""
        end, tail = n + len(rows), self
        if self.used != n or end > len(self.rows):
            tail = Tail(self.rows.shape[1], max(end, 2 * n))
            tail.rows[:n], tail.ids[:n] = self.rows[:n], self.ids[:n]
        tail.rows[n:end], tail.ids[n:end], tail.used = rows, ids, end
        return tail


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Built rows, the first ``n_tail`` rows of a tail, and the numbers of the ``removed`` ones, ascending.

    Rows are numbered through, built ones first. Codes number those that are left.
    """

    built: Built
    tail: Tail
    n_tail: int = 0
    removed: Int64s = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    @classmethod
    def of(cls, built: Built) -> Snapshot:
        """Return built rows without changes."""
        return cls(built, Tail(built.searcher.rows.shape[1]))

    @property
    def n_built(self) -> int:
        """How many rows were built."""
        return len(self.built.names)

    @property
    def n_rows(self) -> int:
        """How many rows there are, removed ones included."""
        return self.n_built + self.n_tail

    def __len__(self) -> int:
        return self.n_rows - len(self.removed)

    @property
    def changed(self) -> bool:
        """Whether there is more, or less, than was built."""
        return bool(self.n_tail or len(self.removed))

    @property
    def added_rows(self) -> Float32s:
        """The rows of the tail [n_tail, width]."""
        return self.tail.rows[: self.n_tail]

    @cached_property
    def left(self) -> Bools | None:
        """Which rows are left [n_rows]; None: all."""
        if not len(self.removed):
            return None
        mask = np.ones(self.n_rows, dtype=bool)
        mask[self.removed] = False
        return mask

    @cached_property
    def names(self) -> pl.Series:
        """The ids of what is left, by code."""
        if not self.changed:
            return self.built.names
        added = pl.Series(self.built.names.name, self.tail.ids[: self.n_tail].tolist(), dtype=pl.String)
        names = self.built.names.clone().append(added)
        return names if self.left is None else names.filter(pl.Series(self.left))

    def rows(self) -> Float32s:
        """Return the rows of what is left, by code: a copy where there are changes."""
        built = self.built.searcher.rows
        if not self.changed:
            return built
        if self.left is None:
            return np.concatenate([built, self.added_rows])
        n = self.n_built
        return np.concatenate([built[self.left[:n]], self.added_rows[self.left[n:]]])

    def codes(self, rows: Int64s) -> Int64s:
        """Return the codes of rows that are left."""
        codes: Int64s = rows - np.searchsorted(self.removed, rows)
        return codes

    def ids(self, rows: Int64s) -> Arrays:
        """Return the ids of rows [...]."""
        if not self.n_tail:
            return self.built.ids[rows]
        is_added = rows >= self.n_built
        ids = self.built.ids[np.where(is_added, 0, rows)]
        ids[is_added] = self.tail.ids[rows[is_added] - self.n_built]
        return ids

    def added(self, rows: Float32s, ids: Sequence[str]) -> Snapshot:
        """Return what is here and these rows, after all others."""
        return replace(self, tail=self.tail.extended(self.n_tail, rows, ids), n_tail=self.n_tail + len(rows))

    def without(self, rows: Int64s) -> Snapshot:
        """Return what is here but for these rows, none of which is removed yet."""
        rows = np.sort(rows)
        return replace(self, removed=np.insert(self.removed, np.searchsorted(self.removed, rows), rows))

    def detached(self) -> Snapshot:
        """Return what is here with a tail of its own, which may grow otherwise."""
        tail = Tail(self.tail.rows.shape[1]).extended(0, self.added_rows, self.tail.ids[: self.n_tail].tolist())
        return replace(self, tail=tail)

    def nearest(self, queries: Float32s, k: int, mask: Bools | None = None) -> tuple[Int64s, Float32s]:
        """Return rows and scores [n, k] of the best, of those for which ``mask`` [len(self)] says so, best first.

        At least k of them must be. The tail is compared row by row.
        """
        allowed = self.left if mask is None else self._by_row(mask)
        if mask is None:
            among = self._left_of_built
        else:
            among = None if allowed is None else RowMask(allowed[: self.n_built])
        rows, scores = _nearest(self.built.searcher, queries, k, among, reused=mask is None)
        if not self.n_tail:
            return rows, scores
        of_tail = None if allowed is None else allowed[self.n_built :]
        added, values = exact_search(self.added_rows, queries, k, allowed=of_tail)
        return best_of(
            np.concatenate([rows, added + self.n_built], axis=1), np.concatenate([scores, values], axis=1), k
        )

    @cached_property
    def _left_of_built(self) -> RowMask | None:
        """What FAISS is told of removed rows: made once, as a snapshot is searched many times."""
        if self.left is None or self.removed[0] >= self.n_built:
            return None
        return RowMask(self.left[: self.n_built])

    def _by_row(self, mask: Bools) -> Bools:
        if self.left is None:
            return mask
        by_row = np.zeros(self.n_rows, dtype=bool)
        by_row[self.left] = mask
        return by_row


def _nearest(
    searcher: Searcher, queries: Float32s, k: int, among: RowMask | None, *, reused: bool
) -> tuple[Int64s, Float32s]:
    """Search built rows: up to k, fewer where not so many are allowed; what an approximate one misses, exactly."""
    n = len(searcher.rows) if among is None else among.n
    k, allowed = min(k, n), None if among is None else among.mask
    if not k:
        return np.empty((len(queries), 0), dtype=np.int64), np.empty((len(queries), 0), dtype=np.float32)
    n_denied = len(searcher.rows) - n
    if allowed is not None and 0 < n_denied <= searcher.most_left_out(k, reused=reused):
        rows, scores = searcher.nearest(queries, k + n_denied, None)
        scores = np.where((rows >= 0) & allowed[rows], scores, np.float32(-np.inf))
        rows, scores = best_of(rows, scores, k)
    else:
        rows, scores = searcher.nearest(queries, k, among)
    short = np.flatnonzero((rows < 0).any(axis=1) | np.isneginf(scores).any(axis=1))
    if len(short):
        rows[short], scores[short] = exact_search(searcher.rows, queries[short], k, allowed=allowed)
    return rows, scores
