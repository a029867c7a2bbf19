"""Recommend by text alone: items with texts like those of the history.

Events that are no positive targets are left out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from llmrec.arrays import Float32s
from llmrec.data import Dataset, Fold, Sequences
from llmrec.data.catalog_changes import CatalogChange
from llmrec.data.columns import ITEM
from llmrec.models.arguments import HistoriesLike
from llmrec.models.base import Recommender
from llmrec.models.baselines.item_weights import recency_weights
from llmrec.models.tensors import Tensors, floats, read_tensors, write_tensors
from llmrec.models.text_encodings import (
    TextEncodings,
    check_texts,
    encode_catalog,
    read_encodings,
    with_changed_texts,
    write_statistics,
)
from llmrec.retrieval.exact import unit_rows


class TextRecommender(Recommender):
    """Score an item by the cosine of its text's vector and the mean of the history's, newer events weighing more.

    Nothing is trained: texts are encoded once by ``text.encoder``, centred and scaled to unit length. An empty
    history is answered by popularity.

    >>> from llmrec import Recipe
    >>> TextRecommender(Recipe.of({"model": "text", "text": {"prompt": "product"}}))
    TextRecommender(not fitted)
    """

    kind = "text"
    reads_negatives = False
    sections = ("text", "counting.half_life")
    _encodings: TextEncodings  # of unit length
    _share: Float32s  # of all events, [n_items]

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        vectors, self.metadata["encoder"] = encode_catalog(self.catalog, self.recipe.text)
        # Texts of one catalog share most of their vector; without it, their differences are left.
        mean = vectors.mean(axis=0)
        vectors -= mean
        self._encodings = TextEncodings(unit_rows(vectors), mean, 1.0)
        counts = np.bincount(self.catalog.codes(data.positive_events[ITEM]), minlength=len(self.catalog))
        self._share = (counts / counts.sum()).astype(np.float32)

    def _score(self, sequences: Sequences) -> Float32s:
        scores: Float32s = self._users(sequences) @ self._encodings.texts.T + 1e-6 * self._share
        return scores

    def _users(self, sequences: Sequences) -> Float32s:
        half_life, vectors = self.recipe.counting.half_life, self._encodings.texts
        return unit_rows(recency_weights(sequences, half_life, n_items=len(vectors)) @ vectors)

    def item_vectors(self) -> Float32s:
        """Return the texts' vectors, unit length, float32 [n_items, width]."""
        return self._encodings.texts

    def embed_users(self, histories: HistoriesLike) -> Float32s:
        """Return each history's mean vector, of unit length, float32 [n, width]."""
        return self._users(self._sequences_like(histories))

    def _index_rows(self) -> tuple[Float32s, Float32s]:
        return self._encodings.texts, 1e-6 * self._share

    def check_change(self, change: CatalogChange) -> None:
        check_texts(change, self.recipe.text, self._encodings, self.recipe.name)

    def _take_change(self, change: CatalogChange) -> None:
        """Encode new and changed texts; nobody has met a new item."""
        earlier, n = self._encodings, len(self._encodings.texts)
        encodings = with_changed_texts(change, self.recipe.text, earlier, self.metadata["encoder"])
        if encodings is not earlier:
            texts = encodings.texts
            encoded = np.ones(len(texts), dtype=bool)
            encoded[:n] = (texts[:n] != earlier.texts).any(axis=1)
            self._encodings = replace(encodings, texts=np.where(encoded[:, None], unit_rows(texts), texts))
        self._share = np.pad(self._share, (0, change.n_added))

    def _save(self, folder: Path) -> None:
        vectors: Tensors = {"vectors": self._encodings.texts, "share": self._share}
        write_tensors(folder / "model.safetensors", vectors)
        if len(self._encodings.mean):
            write_statistics(self._encodings, folder)

    def _load(self, folder: Path) -> None:
        n = len(self.catalog)
        expected = {"vectors": floats(n, None), "share": floats(n)}
        tensors = read_tensors(folder / "model.safetensors", expected)
        self._encodings, self._share = read_encodings(tensors["vectors"], folder), tensors["share"]
