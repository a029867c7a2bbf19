"""A linear map from the items of a history to the next item, by ridge regression in closed form.

Events that are no positive targets are left out, of training and of the histories that are scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.data import Dataset, Fold, Sequences
from llmrec.models.baselines import ridge
from llmrec.models.baselines.item_weights import ItemWeightsRecommender

# At most so many pairs of an event and a later one are held at once.
PAIRS_AT_ONCE = 4_000_000
# An event of a smaller weight than this, or this many events older, is left out of a training context.
SMALLEST_WEIGHT = 1e-3
LONGEST_CONTEXT = 1000


class LinearRecommender(ItemWeightsRecommender):
    """Regress the next item on the items before it, newer ones weighing more.

    Every event is a target; its context x is the sum of the one-hot earlier items, halved with each
    ``counting.half_life`` events, scaled to length 1. B = (X'X + ``linear.regularization`` I)^-1 X'Y; an item
    keeps its ``counting.neighbors`` largest weights, and a history scores its weighted items' rows of B. Only the
    ``linear.max_items`` most frequent items are regressed, others rank by popularity. Of the family of SLIST
    ("Session-aware Linear Item-Item Models", Choi et al. 2021) and TALE ("Temporal Linear Item-Item Model", Park
    et al. 2025).

    >>> from llmrec.data import Histories, toy_films
    >>> model = LinearRecommender().fit(toy_films())
    >>> model.recommend(Histories.of({"ann": ["3", "4"]}), 3)["item_id"].to_list()
    ['5', '6', '7']
    """

    kind = "linear"
    sections = ("linear", "counting.neighbors", "counting.half_life")

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        sequences, options = self.sequences_of(data.histories), self.recipe.linear
        codes = ridge.regressed_items(sequences.codes, options.max_items, kind=self.kind)
        columns = np.full(len(self.catalog), -1)
        columns[codes] = np.arange(len(codes))
        gram, targets = _products(sequences, columns[sequences.codes], self.recipe.counting.half_life, len(codes))
        self._take_largest(ridge.solve(gram, targets, options.regularization, kind=self.kind), codes)
        self._count(sequences)


class _Pairs(NamedTuple):
    """Events of a user and earlier ones by position, with the weight of the earlier one in the later's context."""

    later: Int64s
    earlier: Int64s
    weight: Float32s


def _products(sequences: Sequences, columns: Int64s, half_life: float, n: int) -> tuple[Float32s, Float32s]:
    """Return the lower half of X'X and X'Y, [n, n]; ``columns`` [n_events] are -1 for items left out.

    Two events meet in all contexts after the later one, and age equally from there: the sum over those contexts is
    the weight of the pair times one number for each later event, so that X itself is never made.
    """
    gram, targets = ridge.zeros(n, kind="linear"), ridge.zeros(n, kind="linear")
    scale, met = np.zeros(len(columns), dtype=np.float32), np.zeros(len(columns))
    for pairs in _pairs(sequences, half_life):
        of_context = _scales(pairs, columns, n)
        first = pairs.later[0]
        scale[first : first + len(of_context)] = of_context
        oldest = pairs.earlier.min()
        squares = np.bincount(pairs.earlier - oldest, (pairs.weight * scale[pairs.later]).astype(np.float64) ** 2)
        met[oldest : oldest + len(squares)] += squares
    step = 0.5 ** (1 / half_life)
    for pairs in _pairs(sequences, half_life):
        rows, others = columns[pairs.earlier], columns[pairs.later]
        used = (rows >= 0) & (others >= 0)
        rows, others, weight, later = rows[used], others[used], pairs.weight[used], pairs.later[used]
        # In memory a matrix of LAPACK stands by columns.
        np.add.at(targets.reshape(-1, order="F"), others * n + rows, weight * scale[later])
        lower, upper = np.maximum(rows, others), np.minimum(rows, others)
        twice = np.where(rows == others, 2, 1)  # an item with itself: both orders of the pair are one cell
        values = (twice * step * weight * met[later]).astype(np.float32)
        np.add.at(gram.reshape(-1, order="F"), upper * n + lower, values)
    used = columns >= 0
    gram[np.diag_indices(n)] += np.bincount(columns[used], met[used], minlength=n).astype(np.float32)
    return gram, targets


def _pairs(sequences: Sequences, half_life: float) -> Iterator[_Pairs]:
    """Pair each event with the earlier ones of its user, for some events in a row at a time."""
    oldest = int(min(np.ceil(half_life * -np.log2(SMALLEST_WEIGHT)), LONGEST_CONTEXT))
    rank = np.arange(len(sequences.codes)) - np.repeat(sequences.offsets[:-1], sequences.lengths())
    n_earlier = np.minimum(rank, oldest)
    ends = np.concatenate([[0], np.cumsum(n_earlier)])
    first = 0
    while first < len(rank):
        last = max(int(np.searchsorted(ends, ends[first] + PAIRS_AT_ONCE, side="right")) - 1, first + 1)
        counts = n_earlier[first:last]
        later = np.repeat(np.arange(first, last), counts)
        age = np.arange(len(later)) - np.repeat(ends[first:last] - ends[first], counts)
        if len(later):
            yield _Pairs(later, later - 1 - age, (0.5 ** (age / half_life)).astype(np.float32))
        first = last


def _scales(pairs: _Pairs, columns: Int64s, n: int) -> Float32s:
    """Return 1 / the length of each context, from the first to the last of ``pairs``; 0 for an empty one."""
    from scipy.sparse import csr_array

    first, items = pairs.later[0], columns[pairs.earlier]
    used = items >= 0
    cells = (pairs.later[used] - first, items[used])
    contexts = csr_array((pairs.weight[used], cells), shape=(int(pairs.later[-1] - first) + 1, n))
    contexts.sum_duplicates()
    length = np.sqrt(np.asarray(contexts.multiply(contexts).sum(axis=1)).reshape(-1))
    scales: Float32s = np.divide(1, length, out=np.zeros(len(length), dtype=np.float32), where=length > 0)
    return scales
