"""A FAISS index in which the recommender's score is a plain inner product."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.errors import ArtifactError


@dataclass(frozen=True, eq=False)
class ItemIndex:
    """Items as ``(tau * v_i, b_i)``, users as ``(W u, 1)``: their product is ``tau * cos + b``."""

    faiss_index: Any

    @classmethod
    def build(cls, vectors: Float32s, *, temperature: float, bias: Float32s) -> ItemIndex:
        """Index unit item vectors [n_items, dim]; row n is item code n."""
        import faiss

        rows = np.concatenate([temperature * vectors, bias[:, None]], axis=1).astype(np.float32)
        index = faiss.IndexFlatIP(rows.shape[1])
        index.add(np.ascontiguousarray(rows))
        return cls(index)

    def search(self, vectors: Float32s, k: int, *, biased: bool = True) -> tuple[Int64s, Float32s]:
        """Return codes and scores of the k best items of each unit vector [n, dim], both [n, k].

        ``biased=False`` leaves the items' biases out: likeness instead of preference.
        """
        last = np.full((len(vectors), 1), float(biased), dtype=np.float32)
        scores, codes = self.faiss_index.search(np.concatenate([vectors, last], axis=1), k)
        return codes, scores

    def save(self, path: Path) -> None:
        """Write the index as FAISS does."""
        import faiss

        faiss.write_index(self.faiss_index, str(path))

    @classmethod
    def load(cls, path: Path) -> ItemIndex:
        """Read an index. Raises ArtifactError for a damaged file."""
        import faiss

        try:
            return cls(faiss.read_index(str(path)))
        except RuntimeError as error:
            raise ArtifactError(f"{path} is damaged; restore it or train again") from error
