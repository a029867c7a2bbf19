"""Score a history by sparse weights from each item to its neighbours, newer events weighing more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.data import Sequences
from llmrec.models.base import Recommender
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


class ItemWeightsRecommender(Recommender):
    """A recommender whose ``_fit`` sets item-to-item weights, as the arrays of a CSR matrix, and popularity.

    An event counts half as much as one ``counting.half_life`` events later. Popularity answers an empty history;
    otherwise it only breaks ties.
    """

    reads_negatives = False
    _indptr: Int64s  # [n_items + 1]
    _indices: Int64s  # [n_neighbours of all items]
    _values: Float32s
    _share: Float32s  # of all events, [n_items]

    def _count(self, sequences: Sequences) -> None:
        popularity = np.bincount(sequences.codes, minlength=len(self.catalog)).astype(np.float32)
        self._share = popularity / popularity.sum()

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
        self._indptr = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)])
        self._indices, self._values = np.concatenate(columns), np.concatenate(values)

    def _score(self, sequences: Sequences) -> Float32s:
        from scipy.sparse import csr_array

        n = len(self.catalog)
        near = csr_array((self._values, self._indices, self._indptr), shape=(n, n))
        weights = recency_weights(sequences, self.recipe.counting.half_life, n_items=n)
        scores: Float32s = (weights @ near).toarray() + 1e-6 * self._share
        return scores

    def _likeness(self, codes: Int64s) -> Float32s:
        """Return the weights of given items to all, [n, n_items]; -inf where there is none above 0."""
        from scipy.sparse import csr_array

        n = len(self.catalog)
        weights = csr_array((self._values, self._indices, self._indptr), shape=(n, n))[codes].toarray()
        return np.where(weights > 0, weights, np.float32(-np.inf))

    def _save(self, folder: Path) -> None:
        tensors: Tensors = {"indptr": self._indptr, "indices": self._indices, "values": self._values}
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
        require_rows(self._indptr, self._indices, self._values, n_items=n, path=path)


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
