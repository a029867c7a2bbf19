"""Count how many of the newest items fit in a token budget: whole items only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmrec.arrays import Int64s, Integers
from llmrec.errors import PromptError


def newest_that_fit(lengths: Sequence[int] | Integers, budget: int) -> int:
    """Count the newest items that fit. ``lengths`` are tokens per item, oldest first.

    Raises PromptError if there are items and not even the newest fits.

    >>> newest_that_fit([5, 4, 3], 8)
    2
    """
    flat = np.asarray(lengths, dtype=np.int64)
    return int(newest_that_fit_each(flat, np.array([0, len(flat)], dtype=np.int64), budget)[0])


def newest_that_fit_each(lengths: Integers, offsets: Int64s, budget: int) -> Int64s:
    """Count for each of n histories. Returns int64 [n].

    ``lengths`` are tokens per item of all histories one after the other, those of history n at
    ``offsets[n]:offsets[n + 1]``, oldest first. Raises PromptError as ``newest_that_fit`` does.

    >>> newest_that_fit_each(np.array([5, 4, 3]), np.array([0, 1, 3]), 6)
    array([1, 1])
    """
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])
    starts, ends = offsets[:-1], offsets[1:]
    first = np.searchsorted(total, total[ends] - budget, side="left")
    counts = np.maximum(ends - np.maximum(first, starts), 0)
    none = np.flatnonzero((counts == 0) & (ends > starts))
    if len(none):
        history, newest = int(none[0]), int(lengths[ends[none[0]] - 1])
        raise PromptError(
            f"history {history}: its newest item alone takes {newest} tokens, the budget leaves {budget}; "
            "raise history.max_tokens or shorten the item prompt"
        )
    return counts.astype(np.int64)


@dataclass(frozen=True, eq=False)
class NewestCosts:
    """What the ``n`` newest events of a window take besides what they take anywhere: ``costs`` [n_events] tokens.

    >>> NewestCosts(2, np.array([5, 4, 3, 2])).of(np.array([0, 2]), np.array([3, 3]))
    array([7, 3])
    """

    n: int
    costs: Int64s

    @property
    def most(self) -> int:
        """What they take in a window at most."""
        return self.n * int(self.costs.max(initial=0))

    def of(self, starts: Int64s, stops: Int64s) -> Int64s:
        """Return what they take in windows of the events ``starts`` to ``stops`` - 1: int64 [n_windows]."""
        total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(self.costs, dtype=np.int64)])
        return np.asarray(total[stops] - total[np.maximum(starts, stops - self.n)], dtype=np.int64)
