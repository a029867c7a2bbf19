"""Search in lists of near rows (IVF): of the rows themselves, or of short codes of them."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from llmrec.arrays import Bools, Float32s, Int64s
from llmrec.errors import ArtifactError, DataError
from llmrec.retrieval.allowed_lists import AllowedLists, ListChoice, search_lists
from llmrec.retrieval.exact import BLAS_QUERIES, exact_search, rescored
from llmrec.retrieval.flat import INDEX
from llmrec.retrieval.gpu import GpuSearch
from llmrec.retrieval.kinds import n_lists
from llmrec.retrieval.searcher import RowMask, Searcher, read_faiss, untyped_faiss

ROWS = "vectors.npy"
# So many lists a search reads: of rows at least, of short codes always.
LEAST_LISTS, LISTS_OF_CODES = 16, 64
LEAST_CODED = 39 * 256  # vectors of which codes can be trained
# So few allowed rows are compared exactly instead.
FEW_ROWS = 32768
# So are all of them for queries that would read more in lists of rows, where they are enough for matrices. In rows
# read of a list: what the product with an allowed row costs, and its copy, once for all of these queries.
PRODUCT, COPY = 0.08, 3.0
# Of short codes, so many candidates for each result are scored exactly.
CANDIDATES = 30
ROWS_AT_ONCE = 2**16
# The lists are made anew once there should be so many times as many, or their sizes differ so many times more.
MOST_TOO_FEW, MOST_UNEVEN = 2.0, 1.5


class ListSearcher(Searcher):
    """Compares what lies in the ``effort`` lists nearest to a query.

    The rows by their numbers stay in a file beside the lists, once it is saved, of which a search reads a few.
    """

    faiss_name: ClassVar[str]
    # Vectors for each centroid, and rounds of k-means.
    training: ClassVar[tuple[int, int]]

    @classmethod
    @abstractmethod
    def _untrained(cls, n: int, width: int, bytes_per_item: int) -> Any:
        """Return FAISS's index for n rows of ``width`` numbers. Raises DataError where they are too few."""

    @classmethod
    @abstractmethod
    def _extended(cls, rows: Float32s, index: Any, longest: float) -> Float32s:
        """Return rows as the lists take them; ``longest``: the square length of the longest of all."""

    @classmethod
    def build(cls, rows: Float32s, *, bytes_per_item: int) -> Self:
        """Index rows, which are shared, not copied. Raises DataError for too few of them."""
        index = cls._untrained(len(rows), rows.shape[1], bytes_per_item)
        n_train = min(len(rows), cls.training[0] * max(index.nlist, 256))
        chosen = np.sort(np.random.default_rng(0).choice(len(rows), n_train, replace=False))
        longest = _longest(rows)
        index.cp.max_points_per_centroid, index.cp.niter = cls.training
        index.train(cls._extended(rows[chosen], index, longest))
        cls._add(index, rows, longest)
        return cls(rows, index, cls._first_effort(index.nlist))

    @classmethod
    @abstractmethod
    def _first_effort(cls, lists: int) -> int:
        """Return how many of the lists a search reads, unless more are needed."""

    @classmethod
    def open(cls, folder: Path, *, n: int, effort: int) -> Self:
        """Read the lists, and map the rows into memory."""
        index = read_faiss(folder / INDEX, n, cls.faiss_name)
        rows = np.load(folder / ROWS, mmap_mode="r", allow_pickle=False)
        if rows.dtype != np.float32 or rows.ndim != 2 or len(rows) != n or rows.shape[1] > index.d:
            raise ArtifactError(f"{folder / ROWS} does not hold the vectors of this index; build it again")
        return cls(rows, index, effort)

    def save(self, folder: Path) -> None:
        """Write the lists, and the rows beside them."""
        import faiss

        faiss.write_index(self.faiss_index, str(folder / INDEX))
        np.save(folder / ROWS, self.rows)

    def nearest(self, queries: Float32s, k: int, allowed: RowMask | None) -> tuple[Int64s, Float32s]:
        """Read the nearest lists; exact where few rows are allowed."""
        if allowed is not None and allowed.n <= FEW_ROWS:
            return exact_search(self.rows, queries, k, allowed=allowed.mask)
        return self._in_lists(np.pad(queries, ((0, 0), (0, self.faiss_index.d - queries.shape[1]))), k, allowed)

    def _in_lists(self, queries: Float32s, k: int, allowed: RowMask | None) -> tuple[Int64s, Float32s]:
        """Return the k best by what lies in the lists."""
        if allowed is not None:
            lists, step = self._allowed_lists, self._allowed_lists.queries_at_once()
            queried = [queries[start : start + step] for start in range(0, max(len(queries), 1), step)]
            parts = [self._read(part, k, allowed, lists.near(part, allowed, self.effort)) for part in queried]
            codes, scores = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            return codes, scores
        parameters = untyped_faiss().SearchParametersIVF(nprobe=self.effort)
        scores, codes = self.faiss_index.search(queries, k, params=parameters)
        return codes, scores

    def _read(self, queries: Float32s, k: int, allowed: RowMask, chosen: ListChoice) -> tuple[Int64s, Float32s]:
        """Read the lists that are chosen for what is allowed."""
        return search_lists(self.faiss_index, queries, k, chosen, allowed)

    @cached_property
    def _allowed_lists(self) -> AllowedLists:
        """In which list each row is, read by the first search under a filter."""
        return AllowedLists(self.faiss_index)

    def grown(self, rows: Float32s, left: Bools | None = None) -> Self | None:
        """Return one with these rows, too, and without those that ``left`` leaves out; its centroids are these.

        None where there should be other lists by now, or the rows lie in lists that are far less even.
        """
        faiss = untyped_faiss()
        stored = np.concatenate([self.rows if left is None else self.rows[left], rows])
        if n_lists(self.kind, len(stored)) > MOST_TOO_FEW * self.faiss_index.nlist:
            return None
        # Not by clone_index: what is mapped from a file stays the file's, and cannot grow.
        index = faiss.deserialize_index(faiss.serialize_index(self.faiss_index))
        if left is not None:
            _leave_out(index, left)
        self._add(index, rows, _longest(self.rows))
        if index.invlists.imbalance_factor() > MOST_UNEVEN * self.faiss_index.invlists.imbalance_factor():
            return None
        return type(self)(stored, index, self.effort)

    @property
    def most_added(self) -> int:
        """As many as are compared exactly where they are all that is allowed, and a tenth of a large index."""
        return max(FEW_ROWS, len(self.rows) // 10)

    def most_left_out(self, k: int, *, reused: bool) -> int:
        """None: a selection costs little where lists are read, and each result more of codes many candidates."""
        return 0

    @classmethod
    def _add(cls, index: Any, rows: Float32s, longest: float) -> None:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            index.add(cls._extended(rows[start : start + ROWS_AT_ONCE], index, longest))


class RowListSearcher(ListSearcher):
    """Compares all rows of the lists that it reads (IVF-Flat).

    One number more for each row makes all rows equally long, as in a graph: those of a list then have nearly the
    direction of its centroid, and the centroids of the highest inner product with a query the best rows.
    """

    kind = "ivf-flat"
    faiss_name = "IndexIVFFlat"
    training = 40, 5  # 64 and 10 bring no recall

    @classmethod
    def _untrained(cls, n: int, width: int, bytes_per_item: int) -> Any:
        import faiss

        width += 1
        index = faiss.IndexIVFFlat(
            faiss.IndexFlatIP(width), width, n_lists(cls.kind, n), faiss.METRIC_INNER_PRODUCT
        )
        index.cp.spherical = True
        return index

    @classmethod
    def _extended(cls, rows: Float32s, index: Any, longest: float) -> Float32s:
        last = np.sqrt(np.maximum(longest - np.einsum("nd,nd->n", rows, rows), 0))
        return np.concatenate([rows, last[:, None]], axis=1, dtype=np.float32)

    @classmethod
    def _first_effort(cls, lists: int) -> int:
        return min(LEAST_LISTS, lists)

    def _read(self, queries: Float32s, k: int, allowed: RowMask, chosen: ListChoice) -> tuple[Int64s, Float32s]:
        """Read the lists that are chosen; compare all that is allowed where it pays."""
        many = np.flatnonzero(chosen.n_read > (PRODUCT + COPY / max(len(queries), 1)) * allowed.n)
        if len(many) < BLAS_QUERIES:
            return super()._read(queries, k, allowed, chosen)
        chosen.lists[many] = -1
        codes, scores = super()._read(queries, k, allowed, chosen)
        of_rows = queries[many, : self.rows.shape[1]]
        codes[many], scores[many] = exact_search(self.rows, of_rows, k, allowed=allowed.mask)
        return codes, scores

    @property
    def most_effort(self) -> int:
        """A quarter of the lists: from there on an exact search is as fast."""
        lists: int = self.faiss_index.nlist
        return max(lists // 4, self._first_effort(lists))


class CodeSearcher(ListSearcher):
    """Lists of short codes of rows (IVF-PQ, Jégou et al. 2011): memory holds ``bytes_per_item`` for each."""

    kind = "ivf-pq"
    faiss_name = "IndexIVFPQ"
    training = 64, 10

    @classmethod
    def _untrained(cls, n: int, width: int, bytes_per_item: int) -> Any:
        import faiss

        if n < LEAST_CODED:
            raise DataError(
                f"an index of kind ivf-pq learns its codes from at least {LEAST_CODED:,} vectors, and there are "
                f"{n:,}; use flat or hnsw"
            )
        width += -width % bytes_per_item
        index = faiss.IndexIVFPQ(
            faiss.IndexFlatIP(width), width, n_lists(cls.kind, n), bytes_per_item, 8, faiss.METRIC_INNER_PRODUCT
        )
        index.pq.cp.max_points_per_centroid, index.pq.cp.niter = cls.training
        return index

    @classmethod
    def _extended(cls, rows: Float32s, index: Any, longest: float) -> Float32s:
        return np.pad(rows, ((0, 0), (0, index.d - rows.shape[1])))

    @classmethod
    def _first_effort(cls, lists: int) -> int:
        return min(LISTS_OF_CODES, lists)

    def _in_lists(self, queries: Float32s, k: int, allowed: RowMask | None) -> tuple[Int64s, Float32s]:
        """Compare codes, then the rows of the best ones."""
        n_candidates = min(CANDIDATES * k, len(self.rows) if allowed is None else allowed.n)
        results = None
        if self._gpu is not None and allowed is None:
            results = self._gpu.nearest(queries, n_candidates, None)
        codes, _ = results or super()._in_lists(queries, n_candidates, allowed)
        return rescored(self.rows, queries[:, : self.rows.shape[1]], codes, k)

    @cached_property
    def _gpu(self) -> GpuSearch | None:
        """The codes in a GPU's memory, copied there by the first search."""
        return GpuSearch.of_codes(self.faiss_index, self.effort)


def _longest(rows: Float32s) -> float:
    """Return the square length of the longest row, reading them in parts: they may lie on the disk."""
    parts = (rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE))
    return max((float(np.einsum("nd,nd->n", part, part).max()) for part in parts), default=0.0)


def _leave_out(index: Any, left: Bools) -> None:
    """Remove the rows that ``left`` [n] leaves out from the lists, and number the others anew."""
    faiss = untyped_faiss()
    index.remove_ids(faiss.IDSelectorBitmap(np.packbits(~left, bitorder="little")))
    numbers = np.cumsum(left) - 1
    for one in range(index.nlist):
        size = index.invlists.list_size(one)
        if size:
            ids = faiss.rev_swig_ptr(index.invlists.get_ids(one), size)
            ids[:] = numbers[ids]
