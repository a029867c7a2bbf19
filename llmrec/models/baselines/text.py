"""Recommend by text alone: items with texts like those of the history.

Events that are no positive targets are left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llmrec.arrays import Float32s
from llmrec.data import Dataset, Fold, Histories, Sequences
from llmrec.data.columns import ITEM
from llmrec.models.base import Recommender
from llmrec.models.baselines.item_weights import recency_weights
from llmrec.models.tensors import floats, read_tensors, write_tensors
from llmrec.models.text_encodings import encode_catalog
from llmrec.retrieval.exact import unit_rows


class TextRecommender(Recommender):
    """Score an item by the cosine of its text's vector and the mean of the history's, newer events weighing more.

    Nothing is trained: texts are encoded once by ``text.encoder``, centred and scaled to unit length. An empty
    history is answered by popularity. Needs ``pip install 'llmrec[baselines]'`` to fit with a sentence encoder.
    """

    kind = "text"
    reads_negatives = False
    sections = ("text", "counting.half_life")

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        vectors, self.metadata["encoder"] = encode_catalog(self.catalog, self.recipe.text)
        # Texts of one catalog share most of their vector; without it, their differences are left.
        vectors -= vectors.mean(axis=0)
        self._vectors = unit_rows(vectors)
        counts = np.bincount(self.catalog.codes(data.positive_events[ITEM]), minlength=len(self.catalog))
        self._share = (counts / counts.sum()).astype(np.float32)

    def _score(self, sequences: Sequences) -> Float32s:
        scores: Float32s = self._users(sequences) @ self._vectors.T + 1e-6 * self._share
        return scores

    def _users(self, sequences: Sequences) -> Float32s:
        half_life = self.recipe.counting.half_life
        return unit_rows(recency_weights(sequences, half_life, n_items=len(self.catalog)) @ self._vectors)

    def item_vectors(self) -> Float32s:
        """Return the texts' vectors, unit length, float32 [n_items, width]."""
        return self._vectors

    def embed_users(self, histories: Histories) -> Float32s:
        """Return each history's mean vector, of unit length, float32 [n, width]."""
        return self._users(self.sequences_of(histories))

    def _index_rows(self) -> tuple[Float32s, Float32s]:
        return self._vectors, 1e-6 * self._share

    def _save(self, folder: Path) -> None:
        write_tensors(folder / "model.safetensors", {"vectors": self._vectors, "share": self._share})

    def _load(self, folder: Path) -> None:
        n = len(self.catalog)
        expected = {"vectors": floats(n, None), "share": floats(n)}
        tensors = read_tensors(folder / "model.safetensors", expected)
        self._vectors, self._share = tensors["vectors"], tensors["share"]
