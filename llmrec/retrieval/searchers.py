"""Search by FAISS: exact, by a graph (HNSW), or by lists of short codes (IVF-PQ)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from llmrec.arrays import Bools, Float32s, Int64s
from llmrec.errors import ArtifactError, DataError
from llmrec.retrieval.exact import exact_search, rescored
from llmrec.retrieval.flat import INDEX, flat_rows
from llmrec.retrieval.kinds import LINKS, IndexKind, n_lists

ROWS = "vectors.npy"
# How much of a graph is seen while it is built (efConstruction) and, at least, while it is searched (efSearch).
BUILD_EFFORT, LEAST_EFFORT, MOST_EFFORT = 200, 64, 1024
# A graph is searched the longer, the fewer vectors are allowed. One unit of effort costs as much as so many rows
# of an exact search, which takes over where it is cheaper: 160 among a million vectors of 128 numbers.
ROWS_PER_EFFORT = 128
# Of short codes, so many candidates for each result are scored exactly.
CANDIDATES = 30
LISTS_SEEN = 64
# So few allowed rows are compared exactly instead.
FEW_ROWS = 32768
TRAIN_POINTS, TRAIN_ROUNDS = 64, 10  # vectors for each centroid, and rounds of k-means


@dataclass(frozen=True, eq=False)
class Searcher(ABC):
    """Finds the rows [n, width] of the highest inner product. ``effort``: how much of the index a search reads."""

    kind: ClassVar[IndexKind]
    # With so few denied, that many more results are searched and these left out: cheaper than a selection.
    few: ClassVar[int] = 256
    rows: Float32s
    faiss_index: Any
    effort: int

    @classmethod
    @abstractmethod
    def build(cls, rows: Float32s, *, bytes_per_item: int) -> Self:
        """Index rows. Raises DataError where they cannot be."""

    @classmethod
    @abstractmethod
    def open(cls, folder: Path, *, n: int, effort: int) -> Self:
        """Read what ``save`` wrote, mapped into memory. Raises ArtifactError."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the index, and the rows where it does not hold them."""

    @abstractmethod
    def nearest(self, queries: Float32s, k: int, allowed: Bools | None) -> tuple[Int64s, Float32s]:
        """Return codes and scores [n, k] of the best rows that are allowed [n_rows]; -1 where none was reached."""


class FlatSearcher(Searcher):
    """Compares every row: exact."""

    kind = "flat"

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

    def nearest(self, queries: Float32s, k: int, allowed: Bools | None) -> tuple[Int64s, Float32s]:
        """Return the best rows."""
        return exact_search(self.rows, queries, k, allowed=allowed)


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
        index = _read(folder / INDEX, n, "IndexHNSWFlat")
        return cls(_stored(index), index, effort)

    def save(self, folder: Path) -> None:
        """Write the graph, which holds the rows."""
        import faiss

        faiss.write_index(self.faiss_index, str(folder / INDEX))

    def nearest(self, queries: Float32s, k: int, allowed: Bools | None) -> tuple[Int64s, Float32s]:
        """Walk the graph; exact where few rows are allowed."""
        share = 1.0 if allowed is None else float(allowed.mean())
        effort = max(int(self.effort / max(share, 1e-9)), k)
        if allowed is not None and share * len(allowed) <= ROWS_PER_EFFORT * effort:
            return exact_search(self.rows, queries, k, allowed=allowed)
        selector = _selector(allowed)
        extended = np.concatenate([queries, np.zeros((len(queries), 1), dtype=np.float32)], axis=1)
        parameters = _faiss().SearchParametersHNSW(efSearch=effort, sel=selector)
        _, codes = self.faiss_index.search(extended, k, params=parameters)
        return rescored(self.rows, queries, codes, k)


class CodeSearcher(Searcher):
    """Compares short codes in the lists nearest to a query, then the rows of the best ones (IVF-PQ).

    Jégou et al. 2011. Memory holds ``bytes_per_item`` for each row; the rows stay in a file, of which a search
    reads a few.
    """

    kind = "ivf-pq"
    few = 0

    @classmethod
    def build(cls, rows: Float32s, *, bytes_per_item: int) -> Self:
        """Index rows, which are shared, not copied. Raises DataError for too few of them."""
        import faiss

        if len(rows) < 39 * 256:
            raise DataError(
                f"an index of kind ivf-pq learns its codes from at least {39 * 256:,} vectors, and there are "
                f"{len(rows):,}; use flat or hnsw"
            )
        width = rows.shape[1] + -rows.shape[1] % bytes_per_item
        lists = n_lists(len(rows))
        index = faiss.IndexIVFPQ(
            faiss.IndexFlatIP(width), width, lists, bytes_per_item, 8, faiss.METRIC_INNER_PRODUCT
        )
        for clustering in (index.cp, index.pq.cp):
            clustering.niter, clustering.max_points_per_centroid = TRAIN_ROUNDS, TRAIN_POINTS
        n_train = min(len(rows), TRAIN_POINTS * max(lists, 256))
        chosen = np.sort(np.random.default_rng(0).choice(len(rows), n_train, replace=False))
        index.train(_widened(rows[chosen], width))
        for start in range(0, len(rows), 2**16):
            index.add(_widened(rows[start : start + 2**16], width))
        return cls(rows, index, min(LISTS_SEEN, lists))

    @classmethod
    def open(cls, folder: Path, *, n: int, effort: int) -> Self:
        """Read the codes, and map the rows into memory."""
        index = _read(folder / INDEX, n, "IndexIVFPQ")
        rows = np.load(folder / ROWS, mmap_mode="r", allow_pickle=False)
        if rows.dtype != np.float32 or rows.ndim != 2 or len(rows) != n or rows.shape[1] > index.d:
            raise ArtifactError(f"{folder / ROWS} does not hold the vectors of this index; build it again")
        return cls(rows, index, effort)

    def save(self, folder: Path) -> None:
        """Write the codes, and the rows beside them."""
        import faiss

        faiss.write_index(self.faiss_index, str(folder / INDEX))
        np.save(folder / ROWS, self.rows)

    def nearest(self, queries: Float32s, k: int, allowed: Bools | None) -> tuple[Int64s, Float32s]:
        """Compare codes, then rows; exact where few rows are allowed."""
        share = 1.0 if allowed is None else float(allowed.mean())
        if allowed is not None and share * len(allowed) <= FEW_ROWS:
            return exact_search(self.rows, queries, k, allowed=allowed)
        n_lists_seen = int(self.effort / share**0.5)
        selector = _selector(allowed)
        parameters = _faiss().SearchParametersIVF(nprobe=n_lists_seen, sel=selector)
        n_candidates = min(CANDIDATES * k, len(self.rows))
        _, codes = self.faiss_index.search(_widened(queries, self.faiss_index.d), n_candidates, params=parameters)
        return rescored(self.rows, queries, codes, k)


SEARCHERS: dict[IndexKind, type[Searcher]] = {
    searcher.kind: searcher for searcher in (FlatSearcher, GraphSearcher, CodeSearcher)
}


def _stored(index: Any) -> Float32s:
    """Return the rows that a graph holds, without the number that was added, and without a copy."""
    n, width, faiss = index.ntotal, index.d, _faiss()
    rows: Float32s = faiss.rev_swig_ptr(faiss.downcast_index(index.storage).get_xb(), n * width)
    return rows.reshape(n, width)[:, :-1]


def _selector(allowed: Bools | None) -> Any:
    """Return what lets FAISS pass the allowed rows; it refers to its bits, so that they live as long."""
    return None if allowed is None else _faiss().IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def _faiss() -> Any:
    """Import FAISS untyped: its stubs lack what its Python layer adds."""
    import faiss

    return faiss


def _widened(rows: Float32s, width: int) -> Float32s:
    return np.pad(rows, ((0, 0), (0, width - rows.shape[1])))


def _read(path: Path, n: int, name: str) -> Any:
    """Read a FAISS index. Raises ArtifactError for a damaged one, and one of another kind or number of rows."""
    import faiss

    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise ArtifactError(f"{path} is damaged: FAISS cannot read it; build the index again") from error
    if type(index).__name__ != name or index.ntotal != n:
        raise ArtifactError(f"{path} holds another kind of index, or of another size; build the index again")
    return index
