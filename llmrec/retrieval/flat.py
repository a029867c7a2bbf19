"""A flat FAISS index in a run, in which the recommender's score is a plain inner product."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.errors import ArtifactError
from llmrec.retrieval.searcher import untyped_faiss

# The file of a run that holds its item vectors and biases, each row ``(v_i, b_i)``.
INDEX = "index.faiss"
# How much a number may differ, of the largest one, where it was computed on another device.
ROUNDING = 0.02
ROWS_AT_ONCE = 65536


@dataclass(frozen=True, eq=False)
class FlatIndex:
    """Items as ``(v_i, b_i)``, users as ``(u, 1)``: their product is ``u . v + b``; row n is item code n."""

    faiss_index: Any

    @classmethod
    def build(cls, vectors: Float32s, *, bias: Float32s | None = None) -> FlatIndex:
        """Index item vectors [n_items, dim] with their biases [n_items], none where there are none."""
        faiss = untyped_faiss()
        biases = np.zeros(len(vectors), dtype=np.float32) if bias is None else bias
        rows = np.concatenate([vectors, biases[:, None]], axis=1).astype(np.float32)
        index = faiss.IndexFlatIP(rows.shape[1])
        index.add(np.ascontiguousarray(rows))
        return cls(index)

    def search(self, vectors: Float32s, k: int, *, biased: bool = True) -> tuple[Int64s, Float32s]:
        """Return codes and scores of the k best items of each vector [n, dim], both [n, k].

        ``biased=False`` leaves the items' biases out: likeness instead of preference.
        """
        last = np.full((len(vectors), 1), float(biased), dtype=np.float32)
        scores, codes = self.faiss_index.search(np.concatenate([vectors, last], axis=1), k)
        return codes, scores

    def save(self, path: Path) -> None:
        """Write the index as FAISS does."""
        import faiss

        faiss.write_index(self.faiss_index, str(path))

    def check(self, path: Path) -> None:
        """Raise ArtifactError unless a file holds this index, up to rounding.

        FAISS does not read the file: what it reads may end the process. A flat index is made from weights in
        milliseconds; the file is for who reads no weights, and for other programs.
        """
        import faiss

        n, width = self.faiss_index.ntotal, self.faiss_index.d
        rows = flat_rows(path, n, width=width)
        built = faiss.rev_swig_ptr(self.faiss_index.get_xb(), n * width).reshape(n, width)
        most = ROUNDING * max(float(np.abs(built).max()), 1.0)
        for part in (slice(first, first + ROWS_AT_ONCE) for first in range(0, n, ROWS_AT_ONCE)):
            if not np.abs(rows[part] - built[part]).max() <= most:  # so that NaN is none
                raise ArtifactError(f"{path} holds other vectors than this run's; restore it or train again")


def flat_rows(path: Path, n: int, *, width: int | None = None) -> Float32s:
    """Map the rows of a flat inner-product index into memory: float32 [n, width], read where they are used.

    FAISS reads nothing. Raises ArtifactError for a file of another kind, number of rows or width.
    """
    import faiss

    with path.open("rb") as file:
        start = file.read(16)
    stored = int.from_bytes(start[4:8], "little")
    columns = stored if width is None and 0 < stored < 2**20 else width or 1
    empty = faiss.serialize_index(faiss.IndexFlatIP(columns))
    expected_start = empty[:8].tobytes() + n.to_bytes(8, "little")  # type, width and number of rows
    if path.stat().st_size != len(empty) + 4 * n * columns or start != expected_start:
        raise ArtifactError(f"{path} is not an index of this run's {n} items; restore it or train again")
    return np.memmap(path, dtype=np.float32, mode="r", offset=len(empty), shape=(n, columns))
