"""Exact search in the memory of a GPU, where FAISS was built for one (faiss-gpu in the place of faiss-cpu)."""

from __future__ import annotations

import logging
import threading
from typing import Any, Self

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.retrieval.searcher import RowMask, untyped_faiss

log = logging.getLogger(__name__)

MOST_RESULTS = 2048  # that FAISS returns from a GPU
ROWS_AT_ONCE = 2**18
# Of so many more results than should be enough the allowed ones are taken.
SPARE, SPARE_SHARE = 32, 1.5


def has_gpu() -> bool:
    """Whether FAISS can use a GPU: it was built for one, and there is one."""
    faiss = untyped_faiss()
    return hasattr(faiss, "StandardGpuResources") and faiss.get_num_gpus() > 0


class GpuSearch:
    """An index in the memory of the first GPU, whose results are exact if it is flat. Searches take turns."""

    def __init__(self, index: Any, resources: Any, n: int) -> None:
        self._index, self._resources, self._n = index, resources, n  # the index does not hold its resources
        self._turn = threading.Lock()

    @classmethod
    def of_rows(cls, rows: Float32s) -> Self | None:
        """Copy rows [n, width] to the GPU; None where there is none, or it has no room, which is logged."""

        def make(faiss: Any, resources: Any) -> Any:
            index = faiss.GpuIndexFlatIP(resources, rows.shape[1])
            for start in range(0, len(rows), ROWS_AT_ONCE):
                index.add(np.ascontiguousarray(rows[start : start + ROWS_AT_ONCE]))
            return index

        return cls._made(make, len(rows))

    @classmethod
    def of_codes(cls, cpu_index: Any, effort: int) -> Self | None:
        """Copy lists of codes to the GPU, of which a search reads ``effort``; None as above."""

        def make(faiss: Any, resources: Any) -> Any:
            index = faiss.index_cpu_to_gpu(resources, 0, cpu_index)
            index.nprobe = effort
            return index

        return cls._made(make, cpu_index.ntotal)

    @classmethod
    def _made(cls, make: Any, n: int) -> Self | None:
        if not n or not has_gpu():
            return None
        faiss = untyped_faiss()
        try:
            resources = faiss.StandardGpuResources()
            return cls(make(faiss, resources), resources, n)
        except (RuntimeError, MemoryError) as error:  # FAISS says what it has no room for, or cannot do, so
            reason = " ".join(str(error).split())[:200]
            log.warning("%s rows are searched without the GPU, which did not take them: %s", f"{n:,}", reason)
            return None

    def nearest(self, queries: Float32s, k: int, allowed: RowMask | None) -> tuple[Int64s, Float32s] | None:
        """Return codes and scores [n, k] of the best rows that are allowed, None where it cannot say.

        It knows no selection: more results are searched, and among them the allowed ones are the best of all
        allowed. None where these are too few, or so many results are more than a GPU returns.
        """
        wanted = k if allowed is None else int(SPARE_SHARE * k * self._n / max(allowed.n, 1)) + SPARE
        wanted = min(wanted, self._n)
        if wanted > MOST_RESULTS or wanted < k:
            return None
        with self._turn:
            scores, codes = self._index.search(np.ascontiguousarray(queries, dtype=np.float32), wanted)
        if allowed is None:
            return codes, scores
        mask = allowed.mask[np.maximum(codes, 0)] & (codes >= 0)
        first = np.argsort(~mask, axis=1, kind="stable")[:, :k]
        if not np.take_along_axis(mask, first, axis=1).all():
            return None
        return np.take_along_axis(codes, first, axis=1), np.take_along_axis(scores, first, axis=1)
