"""Popularity of all time or lately, and the items of the history before the popular ones.

Events that are no positive targets count for none of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llmrec.arrays import Float32s, Int64s
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
        self._counts = _with_shares(recent, every)


def _with_shares(recent: Int64s, every: Int64s) -> Float32s:
    """Return recent counts plus each item's share of all events, ordered as the exact sums are.

    Rounded to float32, a share is lost beside a high count: what is then equal, or out of order, takes the next
    number. Counts and result: [n_items].
    """
    order = np.lexsort((every, recent))
    sums: Float32s = (recent + every / (every.sum() + 1)).astype(np.float32)[order]
    differs = (np.diff(recent[order], prepend=-1) != 0) | (np.diff(every[order], prepend=-1) != 0)
    rank = np.cumsum(differs)
    # The bits of a positive float, as a whole number, are in the order of the floats: one more is the next float.
    bits = rank + np.maximum.accumulate(sums.view(np.int32) - rank)
    scores: Float32s = np.empty(len(sums), dtype=np.float32)
    scores[order] = bits.astype(np.int32).view(np.float32)
    return scores


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
