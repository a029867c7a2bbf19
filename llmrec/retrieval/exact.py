"""Exact search by inner product, of unit rows by cosine: over all rows, or over those that are allowed."""

from __future__ import annotations

import numpy as np

from llmrec.arrays import Bools, Float32s, Int64s
from llmrec.retrieval.searcher import untyped_faiss

ROWS_AT_ONCE = 65536
VALUES_AT_ONCE = 2**22
BLAS_QUERIES = 20  # from so many on, FAISS multiplies matrices, which need their rows side by side


def unit_rows(vectors: Float32s) -> Float32s:
    """Return rows [n, dim] scaled to unit length, so that inner products are cosines; zeros stay zeros."""
    rows: Float32s = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return rows


def exact_search(
    rows: Float32s, queries: Float32s, k: int, *, allowed: Bools | None = None
) -> tuple[Int64s, Float32s]:
    """Return the k rows of the highest inner product with each query, best first: codes and scores [n, k].

    ``rows`` [n_rows, width] may lie on the disk: they are read in parts, of ``allowed`` [n_rows] only those that
    are. At least k of them must be.
    """
    codes, scores = np.empty((len(queries), 0), dtype=np.int64), np.empty((len(queries), 0), dtype=np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        best, values = _best_of_part(
            part, queries, k, None if allowed is None else allowed[start : start + len(part)]
        )
        codes, scores = best_of(
            np.concatenate([codes, start + best], axis=1), np.concatenate([scores, values], axis=1), k
        )
    return codes, scores


def _best_of_part(part: Float32s, queries: Float32s, k: int, mask: Bools | None) -> tuple[Int64s, Float32s]:
    """Return the best rows of a part, and their scores [n, k]; fewer where not so many are allowed."""
    faiss = untyped_faiss()
    n_allowed = len(part) if mask is None else int(np.count_nonzero(mask))
    k, numbers = min(k, n_allowed), None
    if not k:
        return np.empty((len(queries), 0), dtype=np.int64), np.empty((len(queries), 0), dtype=np.float32)
    if mask is not None and n_allowed < len(part):
        n_denied = len(part) - n_allowed
        if len(queries) < BLAS_QUERIES and 2 * n_denied * len(queries) < len(part):
            return _best_selected(part, queries, k, mask)
        numbers = np.flatnonzero(mask)
        part = part[numbers]
    values, best = faiss.knn(queries, np.ascontiguousarray(part), k, metric=faiss.METRIC_INNER_PRODUCT)
    return best if numbers is None else numbers[best], values


def _best_selected(part: Float32s, queries: Float32s, k: int, mask: Bools) -> tuple[Int64s, Float32s]:
    """Compare the allowed rows where they are: where few are not, and for few queries, to copy them costs more."""
    faiss = untyped_faiss()
    queries, part = (np.ascontiguousarray(array, dtype=np.float32) for array in (queries, part))
    best, values = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k), dtype=np.float32)
    bits = np.packbits(mask, bitorder="little")
    arrays = [faiss.swig_ptr(array) for array in (queries, part, values, best)]
    faiss.knn_inner_product(
        *arrays[:2], part.shape[1], len(queries), len(part), k, *arrays[2:], faiss.IDSelectorBitmap(bits)
    )
    return best, values


def rescored(rows: Float32s, queries: Float32s, codes: Int64s, k: int) -> tuple[Int64s, Float32s]:
    """Score candidates [n, m] exactly; return codes and scores of the best k, -1 where there are fewer."""
    values = np.empty(codes.shape, dtype=np.float32)
    step = max(VALUES_AT_ONCE // max(codes.shape[1] * rows.shape[1], 1), 1)
    for part in (slice(start, start + step) for start in range(0, len(codes), step)):
        values[part] = np.einsum("nmd,nd->nm", rows[np.maximum(codes[part], 0)], queries[part])
    return best_of(codes, np.where(codes < 0, np.float32(-np.inf), values), k)


def best_of(codes: Int64s, scores: Float32s, k: int) -> tuple[Int64s, Float32s]:
    """Return the k highest of each row's scores [n, m] with their codes, best first: equal ones in their order."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(codes, order, axis=1), np.take_along_axis(scores, order, axis=1)
