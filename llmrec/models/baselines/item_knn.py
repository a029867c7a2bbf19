"""Item-item nearest neighbours: cosine of the sets of users who had two items.

Events that are no positive targets are left out: of the sets of users, and of the histories that are scored.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Float32s
from llmrec.data import Dataset, Fold, Sequences
from llmrec.models.base import Recommender
from llmrec.models.tensors import are_codes, are_offsets, floats, integers, read_tensors, require, write_tensors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Neighbours of this many items are computed at once, so that memory stays flat whatever the catalog.
ITEMS_AT_ONCE = 512


class ItemKNNRecommender(Recommender):
    """Score an item by its similarity to the items of the history, newer ones weighing more.

    Similarity is the cosine of the sets of users who had two items, shrunk for small sets (Sarwar et al. 2001);
    each item keeps its ``counting.neighbors`` nearest. An event counts half as much as one
    ``counting.half_life`` events later. Popularity answers an empty history; otherwise it only breaks ties.
    """

    kind = "item-knn"
    reads_negatives = False
    sections = ("counting.neighbors", "counting.shrink", "counting.half_life")

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        from scipy.sparse import csr_array

        sequences, n = self.sequences_of(data.histories), len(self.catalog)
        users, codes = sequences.users(), sequences.codes
        incidence = csr_array((np.ones(len(codes), dtype=np.float32), (users, codes)), shape=(len(sequences), n))
        incidence.sum_duplicates()
        incidence.data[:] = 1
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
        self._indptr = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])
        self._indices, self._values = np.concatenate(indices), np.concatenate(values)
        popularity = np.bincount(sequences.codes, minlength=n).astype(np.float32)
        self._share = popularity / popularity.sum()

    def _score(self, sequences: Sequences) -> Float32s:
        from scipy.sparse import csr_array

        n = len(self.catalog)
        near = csr_array((self._values, self._indices, self._indptr), shape=(n, n))
        weights = recency_weights(sequences, self.recipe.counting.half_life, n_items=n)
        scores: Float32s = (weights @ near).toarray() + 1e-6 * self._share
        return scores

    def _save(self, folder: Path) -> None:
        tensors = {"indptr": self._indptr, "indices": self._indices, "values": self._values}
        write_tensors(folder / "model.safetensors", {**tensors, "share": self._share})

    def _load(self, folder: Path) -> None:
        path, n = folder / "model.safetensors", len(self.catalog)
        expected = {
            "indptr": integers(n + 1),
            "indices": integers(None),
            "values": floats(None),
            "share": floats(n),
        }
        tensors = read_tensors(path, expected)
        self._indptr, self._indices = tensors["indptr"], tensors["indices"]
        self._values, self._share = tensors["values"], tensors["share"]
        # scipy looks at memory that is not there where they are not.
        require(len(self._values) == len(self._indices), path, "its neighbours have no similarity each")
        require(are_offsets(self._indptr, len(self._indices)), path, "'indptr' does not divide the neighbours")
        require(are_codes(self._indices, n), path, "a neighbour is no item")


def recency_weights(sequences: Sequences, half_life: float, *, n_items: int) -> csr_array:
    """Weigh the items of each history, sparse [n, n_items]: the newest 1, ``half_life`` events older a half."""
    from scipy.sparse import csr_array

    age = np.repeat(sequences.offsets[1:], sequences.lengths()) - 1 - np.arange(len(sequences.codes))
    weights: Float32s = (0.5 ** (age / half_life)).astype(np.float32)
    return csr_array((weights, sequences.codes, sequences.offsets), shape=(len(sequences), n_items))
