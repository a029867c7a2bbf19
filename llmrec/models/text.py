"""Recommend by text alone: items that read like those of the history; and recurrent networks over such texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from llmrec.data import Dataset, Fold, Sequences
from llmrec.models.base import Recommender, Scores
from llmrec.models.item_knn import recency_weights
from llmrec.models.sequential import SequentialRecommender
from llmrec.models.tensors import read_tensors, write_tensors

if TYPE_CHECKING:
    from llmrec.models.sequence_networks import SequenceNetwork


class TextRecommender(Recommender):
    """Score an item by the cosine of its text's vector and the mean of the history's, newer events weighing more.

    Nothing is trained: texts are encoded once by ``text.encoder``, centred and scaled to unit length. An empty
    history is answered by popularity. Needs ``pip install 'llmrec[baselines]'`` to fit with a sentence encoder.
    """

    kind = "text"

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        vectors = item_texts(self)
        # Texts of one catalog share most of their vector; without it, what tells them apart is left.
        vectors -= vectors.mean(axis=0)
        self._vectors: Scores = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        counts = np.bincount(self.catalog.codes(data.events["item_id"]), minlength=len(self.catalog))
        self._share = (counts / counts.sum()).astype(np.float32)

    def _score(self, sequences: Sequences) -> Scores:
        half_life = self.recipe.counting.half_life
        users = recency_weights(sequences, half_life, n_items=len(self.catalog)) @ self._vectors
        users /= np.maximum(np.linalg.norm(users, axis=1, keepdims=True), 1e-12)
        scores: Scores = users @ self._vectors.T + 1e-6 * self._share
        return scores

    def item_vectors(self) -> Scores:
        """Return the texts' vectors, unit length, float32 [n_items, width]."""
        return self._vectors

    def _save(self, folder: Path) -> None:
        write_tensors(folder / "model.safetensors", {"vectors": self._vectors, "share": self._share})

    def _load(self, folder: Path) -> None:
        tensors = read_tensors(folder / "model.safetensors")
        self._vectors, self._share = tensors["vectors"], tensors["share"]


class TextSequentialRecommender(SequentialRecommender):
    """A recurrent network over item texts: text is encoded once, the network models the sequence.

    The pipeline h = LLM(x), then recurrent, then prediction over the catalog; all positions, exact cross-entropy.
    No item has a vector of its own, so an item never seen is scored by its text.
    """

    cell: ClassVar[Literal["gru", "lstm"]]

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        from llmrec.llm.encode import standardize

        self._texts = standardize(item_texts(self))[0]
        super()._fit(data, valid=valid, work_dir=work_dir, progress=progress)

    def _network(self) -> SequenceNetwork:
        import torch

        from llmrec.models.sequence_networks import TextRecurrentNetwork

        shape = self.recipe.sequence
        return TextRecurrentNetwork(
            self.cell, torch.from_numpy(self._texts), dim=shape.dim, layers=shape.layers, dropout=shape.dropout
        )

    def _load(self, folder: Path) -> None:
        self._texts = read_tensors(folder / "model.safetensors")["texts"]
        super()._load(folder)


class GRUTextRecommender(TextSequentialRecommender):
    """GRU over item texts."""

    kind = "gru-text"
    cell = "gru"


class LSTMTextRecommender(TextSequentialRecommender):
    """LSTM over item texts."""

    kind = "lstm-text"
    cell = "lstm"


def item_texts(model: Recommender) -> Scores:
    """Encode every item of a model's catalog as its recipe says; the encoder is noted among its facts."""
    from llmrec.llm.texts import encode_texts
    from llmrec.prompting.lines import item_lines
    from llmrec.prompting.prompt import Prompt

    settings = model.recipe.text
    lines = item_lines(model.catalog, Prompt.load(settings.prompt, settings.language))
    vectors, model.facts["encoder"] = encode_texts(lines, settings.encoder, reader=settings.reader)
    return vectors
