"""Which lists a search under a filter reads: the nearest that hold allowed rows, until these are enough."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.retrieval.searcher import RowMask, untyped_faiss

# Up to so many times as many allowed rows are read where a filter follows the distance to the query.
MOST_MORE = 8.0
# So many lists as would hold what is read, if allowed rows lay evenly in those that hold any, are looked at.
LISTS_AHEAD = 2.0
PRODUCTS_AT_ONCE = 2**22


class ListChoice(NamedTuple):
    """The lists that queries read, nearest first, [n, width], -1: none; with their inner products.

    ``n_read`` [n]: how many rows, allowed or not, they hold for each query.
    """

    lists: Int64s
    products: Float32s
    n_read: Int64s


class AllowedLists:
    """Chooses lists of an IVF index for queries of which only some rows may be returned.

    Without a filter the ``effort`` nearest lists are read. Of a share s of the rows, fewer are near a query, so a
    search compares the square root of s as many, from as many lists as that takes. More where the filter follows
    the distance to the query, as "another category" does: by how many allowed rows the nearest lists hold for
    each that they would hold, if it did not. Where they hold few, the best of those that are allowed are far, and
    far ones are less apart; where they hold many, these are as dense as without a filter.
    """

    def __init__(self, index: Any) -> None:
        faiss = untyped_faiss()
        self._centroids = faiss.downcast_index(index.quantizer).reconstruct_n(0, index.nlist)
        self._sizes = np.array([index.invlists.list_size(one) for one in range(index.nlist)])
        self._list_of_row = np.empty(index.ntotal, dtype=np.int32)
        for one in np.flatnonzero(self._sizes).tolist():
            self._list_of_row[faiss.rev_swig_ptr(index.invlists.get_ids(one), int(self._sizes[one]))] = one
        self._counts = WeakKeyDictionary[RowMask, Int64s]()

    def queries_at_once(self) -> int:
        """Return for how many queries lists are chosen at once."""
        return max(PRODUCTS_AT_ONCE // len(self._sizes), 1)

    def near(self, queries: Float32s, allowed: RowMask, effort: int) -> ListChoice:
        """Choose the lists that queries [n, width] read."""
        counts, share = self._allowed_in(allowed), allowed.n / len(self._list_of_row)
        products = queries @ self._centroids.T
        nearest = np.argpartition(-products, effort - 1, axis=1)[:, :effort]
        of_rows = counts[nearest].sum(axis=1) / np.maximum(self._sizes[nearest].sum(axis=1), 1)
        followed = np.maximum(of_rows / share, 1 / MOST_MORE)
        more = np.minimum(np.maximum(followed, followed**-2), MOST_MORE)
        n_rows = more * effort * self._sizes.mean() * share**0.5
        products[:, counts == 0] = -np.inf
        looked_at = LISTS_AHEAD * n_rows.max(initial=0) * np.count_nonzero(counts) / allowed.n
        order = _highest(products, max(int(looked_at), effort))
        products = np.take_along_axis(products, order, axis=1)
        read_before = np.cumsum(counts[order], axis=1) - counts[order]
        lists = np.where((read_before < n_rows[:, None]) & np.isfinite(products), order, -1)
        n_read = np.where(lists >= 0, self._sizes[lists], 0).sum(axis=1)
        return ListChoice(lists, products, n_read)

    def _allowed_in(self, allowed: RowMask) -> Int64s:
        """Count the allowed rows of each list: once for a selection that many searches share."""
        if allowed not in self._counts:
            in_lists = self._list_of_row[allowed.mask]
            self._counts[allowed] = np.bincount(in_lists, minlength=len(self._sizes)).astype(np.int64)
        return self._counts[allowed]


def search_lists(
    index: Any, queries: Float32s, k: int, chosen: ListChoice, allowed: RowMask
) -> tuple[Int64s, Float32s]:
    """Search chosen lists: codes and scores [n, k] of the best allowed rows, -1 where there are fewer."""
    faiss = untyped_faiss()
    width = max(int((chosen.lists >= 0).sum(axis=1).max(initial=0)), 1)
    lists, products = (np.ascontiguousarray(array[:, :width]) for array in (chosen.lists, chosen.products))
    codes, scores = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k), dtype=np.float32)
    parameters = faiss.SearchParametersIVF(nprobe=width, sel=allowed.selector)
    x, of_lists, to_lists, values, rows = (
        faiss.swig_ptr(one) for one in (np.ascontiguousarray(queries), lists, products, scores, codes)
    )
    # FAISS's Python method of this name takes no selection.
    index.search_preassigned_c(len(queries), x, k, of_lists, to_lists, values, rows, False, parameters)
    return codes, scores


def _highest(values: Float32s, n: int) -> Int64s:
    """Return which n of each row's values are highest, highest first."""
    if n < values.shape[1]:
        some = np.argpartition(-values, n - 1, axis=1)[:, :n]
        order = np.argsort(-np.take_along_axis(values, some, axis=1), axis=1)
        return np.take_along_axis(some, order, axis=1)
    return np.argsort(-values, axis=1)
