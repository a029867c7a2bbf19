"""Search by FAISS: exact, by a graph (HNSW), or in lists of codes (IVF)."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from llmrec.arrays import Bools, Float32s, Int64s
from llmrec.retrieval.exact import exact_search, rescored
from llmrec.retrieval.flat import INDEX, flat_rows
from llmrec.retrieval.gpu import GpuSearch
from llmrec.retrieval.kinds import LINKS, IndexKind
from llmrec.retrieval.list_searchers import CodeSearcher, RowListSearcher
from llmrec.retrieval.searcher import FEW_DENIED, RowMask, Searcher, read_faiss, untyped_faiss

# How much of a graph is seen while it is built (efConstruction) and, at least, while it is searched (efSearch).
BUILD_EFFORT, LEAST_EFFORT, MOST_EFFORT = 200, 64, 1024
# A graph is searched the longer, the fewer vectors are allowed. One unit of effort costs as much as so many rows
# of an exact search, which takes over where it is cheaper: 160 among a million vectors of 128 numbers.
ROWS_PER_EFFORT = 128
# So many added rows are no burden to a small flat index.
FLAT_ADDED = 10_000
# A graph takes rows of up to so many times the square length of its longest.
MOST_LONGER = 2.0


class FlatSearcher(Searcher):
    """Compares every row: exact."""

    kind = "flat"
    most_removed = 0.05  # to build it is to copy it

    @classmethod
    def build(cls, rows: Float32s, *, bytes_per_item: int) -> Self:
        """Index rows, which are shared, not copied, where they are contiguous."""
        return cls(rows, None, 0)

    @classmethod
    def open(cls, folder: Path, *, n: int, effort: int) -> Self:
        """Map the rows into memory."""
        return cls(flat_rows(folder / INDEX, n), None, 0)

    def save(self, folder: Path) -> None:
        """Write a flat FAISS index, which other programs read, too."""
        import faiss

        index = faiss.IndexFlatIP(self.rows.shape[1])
        index.add(np.ascontiguousarray(self.rows))
        faiss.write_index(index, str(folder / INDEX))

    def nearest(self, queries: Float32s, k: int, allowed: RowMask | None) -> tuple[Int64s, Float32s]:
        """Return the best rows, by a GPU where there is one and it can."""
        results = None if self._gpu is None else self._gpu.nearest(queries, k, allowed)
        if results is not None:
            return results
        return exact_search(self.rows, queries, k, allowed=None if allowed is None else allowed.mask)

    @cached_property
    def _gpu(self) -> GpuSearch | None:
        """The rows in a GPU's memory, copied there by the first search."""
        return GpuSearch.of_rows(self.rows)

    @property
    def most_added(self) -> int:
        """As many again: these are in memory, where the others may lie on the disk."""
        return max(FLAT_ADDED, len(self.rows))


class GraphSearcher(Searcher):
    """Walks a graph of near neighbours (HNSW, Malkov & Yashunin 2018).

    A graph of inner products has few links to rows of middling length: its recall is a third on item vectors with
    biases. One number more for each row makes all rows equally long, and the highest inner product the smallest
    distance (Bachrach et al. 2014).
    """

    kind = "hnsw"

    @classmethod
    def build(cls, rows: Float32s, *, bytes_per_item: int) -> Self:
        """Index rows; the graph holds a copy."""
        import faiss

        norms = np.einsum("nd,nd->n", rows, rows)
        index = faiss.IndexHNSWFlat(rows.shape[1] + 1, LINKS, faiss.METRIC_L2)
        index.hnsw.efConstruction = BUILD_EFFORT
        index.add(np.concatenate([rows, np.sqrt(norms.max(initial=0) - norms)[:, None]], axis=1, dtype=np.float32))
        return cls(_stored(index), index, LEAST_EFFORT)

    @classmethod
    def open(cls, folder: Path, *, n: int, effort: int) -> Self:
        """Map the graph into memory."""
        index = read_faiss(folder / INDEX, n, "IndexHNSWFlat")
        return cls(_stored(index), index, effort)

    def save(self, folder: Path) -> None:
        """Write the graph, which holds the rows."""
        import faiss

        faiss.write_index(self.faiss_index, str(folder / INDEX))

    def nearest(self, queries: Float32s, k: int, allowed: RowMask | None) -> tuple[Int64s, Float32s]:
        """Walk the graph; exact where few rows are allowed."""
        share = 1.0 if allowed is None else allowed.n / len(self.rows)
        effort = max(int(self.effort / max(share, 1e-9)), k)
        if allowed is not None and allowed.n <= ROWS_PER_EFFORT * effort:
            return exact_search(self.rows, queries, k, allowed=allowed.mask)
        selector = None if allowed is None else allowed.selector
        extended = np.concatenate([queries, np.zeros((len(queries), 1), dtype=np.float32)], axis=1)
        parameters = untyped_faiss().SearchParametersHNSW(efSearch=effort, sel=selector)
        _, codes = self.faiss_index.search(extended, k, params=parameters)
        return rescored(self.rows, queries, codes, k)

    @property
    def most_effort(self) -> int:
        """As much as is tried for the sake of recall."""
        return MOST_EFFORT

    @property
    def most_added(self) -> int:
        """As many as cost what the graph costs."""
        return ROWS_PER_EFFORT * self.effort

    def grown(self, rows: Float32s, left: Bools | None = None) -> GraphSearcher | None:
        """Add rows to a copy of the graph, if they are not far longer than its longest, and none is to leave it.

        Where they are longer, the number that makes rows equally long is another one, and the links stay.
        """
        if left is not None:
            return None
        faiss, stored = untyped_faiss(), np.asarray(_StoredRows(self.faiss_index))
        squares = np.einsum("nd,nd->n", rows, rows)
        longest, square = float(squares.max(initial=0)), float(stored[0] @ stored[0])
        if longest > MOST_LONGER * square:
            return None
        # Not by clone_index: what is mapped from a file stays the file's, and cannot grow.
        index = faiss.deserialize_index(faiss.serialize_index(self.faiss_index))
        if longest > square:
            square, stored = longest, np.asarray(_StoredRows(index))
            stored[:, -1] = np.sqrt(
                square - np.minimum(np.einsum("nd,nd->n", stored[:, :-1], stored[:, :-1]), square)
            )
        last = np.sqrt(square - np.minimum(squares, square))
        index.add(np.concatenate([rows, last[:, None]], axis=1, dtype=np.float32))
        return GraphSearcher(_stored(index), index, self.effort)

    def most_left_out(self, k: int, *, reused: bool) -> int:
        """A walk that returns more sees more, and costs more; a selection that is there costs nothing."""
        return min(FEW_DENIED, self.effort - k) if reused else FEW_DENIED


SEARCHERS: dict[IndexKind, type[Searcher]] = {
    searcher.kind: searcher for searcher in (FlatSearcher, GraphSearcher, RowListSearcher, CodeSearcher)
}


class _StoredRows:
    """Rows in FAISS's memory, as numpy reads them: an array of them holds their index, too."""

    def __init__(self, index: Any) -> None:
        n, width, faiss = index.ntotal, index.d, untyped_faiss()
        rows = faiss.rev_swig_ptr(faiss.downcast_index(index.storage).get_xb(), n * width).reshape(n, width)
        self.index, self.__array_interface__ = index, rows.__array_interface__


def _stored(index: Any) -> Float32s:
    """Return the rows that a graph holds, without the number that was added, and without a copy."""
    return np.asarray(_StoredRows(index))[:, :-1]
