"""Item-item nearest neighbours: cosine of the sets of users who had two items.

Events that are no positive targets are left out: of the sets of users, and of the histories that are scored.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llmrec.data import Dataset, Fold
from llmrec.models.baselines.item_weights import ITEMS_AT_ONCE, ItemWeightsRecommender, incidence_of


class ItemKNNRecommender(ItemWeightsRecommender):
    """Score an item by its similarity to the items of the history, newer ones weighing more.

    Similarity is the cosine of the sets of users who had two items, shrunk for small sets (Sarwar et al. 2001);
    each item keeps its ``counting.neighbors`` nearest. An event counts half as much as one
    ``counting.half_life`` events later. Popularity answers an empty history, and orders the items that are like
    nothing in a history; beside a similarity it is too small to count.

    >>> from llmrec.data import Histories, toy_films
    >>> model = ItemKNNRecommender().fit(toy_films())
    >>> model.recommend(Histories.of({"ann": ["3", "4"]}), 3)["item_id"].to_list()
    ['2', '1', '5']
    """

    kind = "item-knn"
    sections = ("counting.neighbors", "counting.shrink", "counting.half_life")

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        sequences, n = self.sequences_of(data.histories), len(self.catalog)
        incidence = incidence_of(sequences, n)
        n_users = np.asarray(incidence.sum(axis=0)).reshape(-1)
        by_item, shrink, most = incidence.T.tocsr(), self.recipe.counting.shrink, self.recipe.counting.neighbors
        indices, values, counts = [], [], []
        for start in range(0, n, ITEMS_AT_ONCE):
            together = (by_item[start : start + ITEMS_AT_ONCE] @ incidence).tocsr()
            for row in range(together.shape[0]):
                part = slice(together.indptr[row], together.indptr[row + 1])
                others = together.indices[part]
                norm = np.sqrt(n_users[start + row] * n_users[others]) + shrink
                near = np.where(others == start + row, 0, together.data[part] / norm)
                best = np.lexsort((self.catalog.tie_order[others], -near))[:most]
                best = best[near[best] > 0]
                indices.append(others[best].astype(np.int64))
                values.append(near[best].astype(np.float32))
                counts.append(len(best))
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])
        self._take(offsets, np.concatenate(indices), np.concatenate(values))
        self._count(sequences)
