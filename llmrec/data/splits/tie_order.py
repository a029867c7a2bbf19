"""Whether events of one time stand in a log in an order that many users share, as on the page they came from."""

from __future__ import annotations

from math import comb
from typing import NamedTuple

import numpy as np
import polars as pl

from llmrec.arrays import Int32s, Int64s
from llmrec.data.columns import TIME, USER

# Pairs of items that so many times stand side by side, and at most so many steps: enough to know.
LEAST_TIMES = 5
MOST_STEPS = 2_000_000


class TieOrder(NamedTuple):
    """Of steps between two items at one time: the share in the direction more common for their pair.

    ``by_chance``: what that share would be if each step went either way with probability one half.
    """

    share: float
    by_chance: float

    @property
    def is_systematic(self) -> bool:
        """Whether at least half of what could be above chance is."""
        return self.share - self.by_chance > (1 - self.by_chance) / 2


def tie_order(events: pl.DataFrame, codes: Int32s) -> TieOrder | None:
    """Measure the order of ties in events sorted by user and time; ``codes`` [n_events]: their items.

    None where no pair of items is tied ``LEAST_TIMES`` times.
    """
    same = events.select(
        (pl.col(USER) == pl.col(USER).shift(-1)) & (pl.col(TIME) == pl.col(TIME).shift(-1)).fill_null(False)
    )
    rows = np.flatnonzero(same.to_series().fill_null(False).to_numpy())[:MOST_STEPS]
    one, other = codes[rows], codes[rows + 1]
    steps = pl.DataFrame({"low": np.minimum(one, other), "high": np.maximum(one, other), "up": one < other})
    pairs = steps.filter(pl.col("low") != pl.col("high")).group_by("low", "high").agg(pl.len(), pl.col("up").sum())
    pairs = pairs.filter(pl.col("len") >= LEAST_TIMES)
    if pairs.is_empty():
        return None
    n, up = pairs["len"].cast(pl.Int64).to_numpy(), pairs["up"].cast(pl.Int64).to_numpy()
    total = int(n.sum())
    return TieOrder(int(np.maximum(up, n - up).sum()) / total, _majorities(n) / total)


def _majorities(n: Int64s) -> float:
    """Return the sum of the expected larger parts of n steps, each in one of two directions by a fair coin."""
    sizes, counts = np.unique(n, return_counts=True)
    # The mean absolute deviation of a binomial variable from n / 2 (de Moivre 1730).
    larger = [size / 2 + size * comb(size - 1, size // 2) / 2**size for size in sizes.tolist()]
    return float(np.array(larger) @ counts)
