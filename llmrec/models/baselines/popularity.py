"""Popularity of all time or lately, and the items of the history before the popular ones.

Events that are no positive targets count for none of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llmrec.arrays import Float32s, Float64s
from llmrec.data import Dataset, Fold, Sequences
from llmrec.data.columns import ITEM, TIME
from llmrec.errors import DataError
from llmrec.models.sparse_scores import SparseRecommender, SparseScores
from llmrec.models.tensors import floats, read_tensors, require, write_tensors


class PopularityRecommender(SparseRecommender):
    """Score an item by its number of events in train.

    >>> from llmrec.data import Histories, toy_films
    >>> model = PopularityRecommender().fit(toy_films())
    >>> model.recommend(Histories.of({"ann": ["3", "4"]}), 3)["item_id"].to_list()
    ['0', '1', '17']
    """

    kind = "popularity"

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        codes = self.catalog.codes(data.positive_events[ITEM])
        self._counts = np.bincount(codes, minlength=len(self.catalog)).astype(np.float32)

    def _sparse_scores(self, sequences: Sequences) -> SparseScores:
        nothing = np.empty(0, dtype=np.int64)
        return SparseScores(self._counts, np.zeros_like(sequences.offsets), nothing, nothing.astype(np.float32))

    def _save(self, folder: Path) -> None:
        write_tensors(folder / "model.safetensors", {"counts": self._counts})

    def _load(self, folder: Path) -> None:
        path = folder / "model.safetensors"
        self._counts = read_tensors(path, {"counts": floats(len(self.catalog))})["counts"]
        require(bool((self._counts >= 0).all()), path, "a count is negative")


class RecentRecommender(PopularityRecommender):
    """Score an item by its events in the newest part of train (``counting.recent_share`` of all events).

    All other events count too, together less than one recent event: they order what is equally popular now.
    Raises DataError for data whose timestamps are only an order: it has no "now".

    >>> from llmrec.data import Histories, toy_films
    >>> model = RecentRecommender().fit(toy_films())
    >>> model.recommend(Histories.of({"ann": ["3", "4"]}), 3)["item_id"].to_list()
    ['0', '19', '1']
    """

    kind = "recent"
    sections = ("counting.recent_share",)

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        if data.order_only:
            raise DataError(
                f"{data.name}: its timestamps are each user's order and mean no time, so nothing is recent; "
                "use popularity"
            )
        events = data.positive_events
        codes, times = self.catalog.codes(events[ITEM]), events[TIME].to_numpy()
        since = np.quantile(times, 1 - self.recipe.counting.recent_share)
        n = len(self.catalog)
        recent, every = np.bincount(codes[times >= since], minlength=n), np.bincount(codes, minlength=n)
        self._counts = _rounded(recent + every / (len(codes) + 1))


def _rounded(numbers: Float64s) -> Float32s:
    """Return numbers of at least 0 as float32 in the same order: what rounding makes equal takes the next number.

    Beside a high count a share is lost.
    """
    distinct, inverse = np.unique(numbers, return_inverse=True)
    rank = np.arange(len(distinct), dtype=np.int32)
    # The bits of a positive float, as a whole number, are in the order of the floats: one more is the next float.
    bits = rank + np.maximum.accumulate(distinct.astype(np.float32).view(np.int32) - rank)
    rounded: Float32s = bits.view(np.float32)[inverse]
    return rounded


class RepeatLastRecommender(PopularityRecommender):
    """Score the items of the history, newest first, above all others; the others by popularity.

    Strong where people come back to the same items. Where seen items may not be recommended it is popularity.

    >>> from llmrec.data import Histories, toy_films
    >>> model = RepeatLastRecommender().fit(toy_films())
    >>> model.recommend(Histories.of({"ann": ["3", "4"]}), 3, exclude_seen=False)["item_id"].to_list()
    ['4', '3', '0']
    """

    kind = "repeat-last"

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        super()._fit(data, valid=valid, work_dir=work_dir, progress=progress)
        self._counts = self._counts / self._counts.sum()

    def _sparse_scores(self, sequences: Sequences) -> SparseScores:
        users, codes = sequences.users(), sequences.codes
        age = sequences.offsets[1:][users] - 1 - np.arange(len(codes))
        # An item with several events counts as its newest one. Every share of popularity is below 1.
        scores, positions = SparseScores.of_pairs(self._counts, len(sequences), users, codes)
        np.maximum.at(scores.values, positions, (1 + 1 / (1 + age)).astype(np.float32))
        return scores
