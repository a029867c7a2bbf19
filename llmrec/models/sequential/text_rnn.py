"""GRU and LSTM over item texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from llmrec.models.sequential.base import SequentialRecommender
from llmrec.models.sequential.over_texts import OverTextsRecommender

if TYPE_CHECKING:
    from llmrec.models.sequential.networks import TextRecurrentNetwork


class TextSequentialRecommender(OverTextsRecommender):
    """A recurrent network over item texts: text is encoded once, the network models the sequence.

    Trained at all positions with exact cross-entropy over the catalog. No item has an id embedding, so an item
    without events is scored by its text.
    """

    sections = (*SequentialRecommender.sections, "text")
    cell: ClassVar[Literal["gru", "lstm"]]

    def _network(self) -> TextRecurrentNetwork:
        import torch

        from llmrec.models.sequential.networks import TextRecurrentNetwork

        shape = self.recipe.sequence
        sizes = {"dim": shape.dim, "layers": shape.layers}
        return TextRecurrentNetwork(
            self.cell, torch.from_numpy(self._encodings.texts), dropout=shape.dropout, **sizes
        )


class GRUTextRecommender(TextSequentialRecommender):
    """GRU over item texts.

    >>> from llmrec import Recipe
    >>> GRUTextRecommender(Recipe.of({"model": "gru-text", "text": {"prompt": "title"}}))
    GRUTextRecommender(not fitted)
    """

    kind = "gru-text"
    cell = "gru"


class LSTMTextRecommender(TextSequentialRecommender):
    """LSTM over item texts.

    >>> from llmrec import Recipe
    >>> LSTMTextRecommender(Recipe.of({"model": "lstm-text", "text": {"prompt": "title"}}))
    LSTMTextRecommender(not fitted)
    """

    kind = "lstm-text"
    cell = "lstm"
