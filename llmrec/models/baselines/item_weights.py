"""Score a history by sparse weights from each item to its neighbours, newer events weighing more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.data import Sequences
from llmrec.models.sparse_scores import SparseRecommender, SparseScores
from llmrec.models.tensors import (
    Tensors,
    floats,
    integers,
    read_tensors,
    require_rows,
    write_tensors,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Neighbours of this many items are computed at once, so that memory stays flat whatever the catalog.
ITEMS_AT_ONCE = 512


class ItemWeightsRecommender(SparseRecommender):
    """A recommender whose ``_fit`` takes item-to-item weights, as the arrays of a CSR matrix, and popularity.

    An event counts half as much as one ``counting.half_life`` events later. Popularity answers an empty history,
    and orders the items that have no weight from a history; beside a weight it is too small to count.
    """

    _weights: csr_array  # [n_items, n_items]
    _share: Float32s  # of all events, [n_items]

    def _count(self, sequences: Sequences) -> None:
        popularity = np.bincount(sequences.codes, minlength=len(self.catalog)).astype(np.float32)
        self._share = popularity / popularity.sum()

    def _take(self, offsets: Int64s, codes: Int64s, values: Float32s) -> None:
        """Take the weights of each item's neighbours, ``codes[offsets[n]:offsets[n + 1]]`` of item n."""
        from scipy.sparse import csr_array

        self._weights = csr_array((values, codes, offsets), shape=(len(self.catalog), len(self.catalog)))

    def _take_largest(self, weights: Float32s, codes: Int64s) -> None:
        """Take the ``counting.neighbors`` weights of largest size from each row of a dense matrix.

        ``weights`` [n, n] are of the items ``codes`` [n], ascending; other items have no neighbours.
        """
        most, columns, values = self.recipe.counting.neighbors, [], []
        counts = np.zeros(len(self.catalog), dtype=np.int64)
        for start in range(0, len(codes), ITEMS_AT_ONCE):
            block = np.ascontiguousarray(weights[start : start + ITEMS_AT_ONCE])
            if most < len(codes):
                size = np.abs(block)
                np.put_along_axis(block, np.argpartition(-size, most, axis=1)[:, most:], 0, axis=1)
            rows, others = np.nonzero(block)
            columns.append(codes[others])
            values.append(block[rows, others])
            counts[codes[start : start + ITEMS_AT_ONCE]] = np.bincount(rows, minlength=len(block))
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
        self._take(offsets, np.concatenate(columns), np.concatenate(values))

    def _sparse_scores(self, sequences: Sequences) -> SparseScores:
        recency = recency_weights(sequences, self.recipe.counting.half_life, n_items=len(self.catalog))
        scores, popularity = recency @ self._weights, 1e-6 * self._share
        return SparseScores(popularity, scores.indptr, scores.indices, scores.data + popularity[scores.indices])

    def _likeness(self, codes: Int64s) -> Float32s:
        """Return the weights of given items to all, [n, n_items]; -inf where there is none above 0."""
        weights = self._weights[codes].toarray()
        return np.where(weights > 0, weights, np.float32(-np.inf))

    def _save(self, folder: Path) -> None:
        weights = self._weights
        tensors: Tensors = {name: getattr(weights, name).astype(np.int64) for name in ("indptr", "indices")}
        write_tensors(folder / "model.safetensors", {**tensors, "values": weights.data, "share": self._share})

    def _load(self, folder: Path) -> None:
        path, n = folder / "model.safetensors", len(self.catalog)
        expected = {
            "indptr": integers(n + 1),
            "indices": integers(None),
            "values": floats(None),
            "share": floats(n),
        }
        tensors = read_tensors(path, expected)
        weights = tensors["indptr"], tensors["indices"], tensors["values"]
        require_rows(*weights, n_items=n, path=path)
        self._take(*weights)
        self._share = tensors["share"]


def recency_weights(sequences: Sequences, half_life: float, *, n_items: int) -> csr_array:
    """Weigh the items of each history, sparse [n, n_items]: the newest 1, ``half_life`` events older a half."""
    from scipy.sparse import csr_array

    age = np.repeat(sequences.offsets[1:], sequences.lengths()) - 1 - np.arange(len(sequences.codes))
    weights: Float32s = (0.5 ** (age / half_life)).astype(np.float32)
    return csr_array((weights, sequences.codes, sequences.offsets), shape=(len(sequences), n_items))


def incidence_of(sequences: Sequences, n_items: int) -> csr_array:
    """Mark the items that each user had with 1, however often: sparse float32 [n, n_items]."""
    from scipy.sparse import csr_array

    users, codes = sequences.users(), sequences.codes
    incidence = csr_array((np.ones(len(codes), dtype=np.float32), (users, codes)), shape=(len(sequences), n_items))
    incidence.sum_duplicates()
    incidence.data[:] = 1
    return incidence
