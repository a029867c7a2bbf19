"""GRU and LSTM over item texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from llmrec.data import Dataset, Fold
from llmrec.models.sequential.base import SequentialRecommender
from llmrec.models.tensors import floats, read_tensor
from llmrec.models.text_encodings import TextEncodings, encode_catalog

if TYPE_CHECKING:
    from llmrec.models.sequential.networks import SequenceNetwork


class TextSequentialRecommender(SequentialRecommender):
    """A recurrent network over item texts: text is encoded once, the network models the sequence.

    Trained at all positions with exact cross-entropy over the catalog. No item has an id embedding, so an item
    without events is scored by its text.
    """

    sections = (*SequentialRecommender.sections, "text")
    cell: ClassVar[Literal["gru", "lstm"]]

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        vectors, self.metadata["encoder"] = encode_catalog(self.catalog, self.recipe.text)
        known = None if self.continuation is None else self.continuation.rows(self.catalog)[0]
        self._texts = TextEncodings.standardized(vectors, by=known).texts
        super()._fit(data, valid=valid, work_dir=work_dir, progress=progress)

    def _network(self) -> SequenceNetwork:
        import torch

        from llmrec.models.sequential.networks import TextRecurrentNetwork

        shape = self.recipe.sequence
        return TextRecurrentNetwork(
            self.cell, torch.from_numpy(self._texts), dim=shape.dim, layers=shape.layers, dropout=shape.dropout
        )

    def _load(self, folder: Path) -> None:
        self._texts = read_tensor(folder / "model.safetensors", "texts", floats(len(self.catalog), None))
        super()._load(folder)


class GRUTextRecommender(TextSequentialRecommender):
    """GRU over item texts."""

    kind = "gru-text"
    cell = "gru"


class LSTMTextRecommender(TextSequentialRecommender):
    """LSTM over item texts."""

    kind = "lstm-text"
    cell = "lstm"
