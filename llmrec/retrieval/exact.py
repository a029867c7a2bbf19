"""Exact search by inner product, of unit rows by cosine: over all rows, or over those that are allowed."""

from __future__ import annotations

import numpy as np

from llmrec.arrays import Bools, Float32s, Int64s

ROWS_AT_ONCE = 65536
VALUES_AT_ONCE = 2**22


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
    import faiss

    codes, scores = np.empty((len(queries), 0), dtype=np.int64), np.empty((len(queries), 0), dtype=np.float32)
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part, numbers = rows[start : start + ROWS_AT_ONCE], np.arange(start, min(start + ROWS_AT_ONCE, len(rows)))
        if allowed is not None:
            mask = allowed[start : start + ROWS_AT_ONCE]
            part, numbers = part[mask], numbers[mask]
        if not len(numbers):
            continue
        values, best = faiss.knn(
            queries, np.ascontiguousarray(part), min(k, len(numbers)), metric=faiss.METRIC_INNER_PRODUCT
        )
        codes, scores = best_of(
            np.concatenate([codes, numbers[best]], axis=1), np.concatenate([scores, values], axis=1), k
        )
    return codes, scores


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
