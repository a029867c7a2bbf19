"""GRU and LSTM over item texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from llmrec.models.sequential.base import SequentialRecommender
from llmrec.models.sequential.over_texts import OverTextsRecommender

if TYPE_CHECKING:
    from llmrec.models.sequential.text_networks import TextRecurrentNetwork


class TextSequentialRecommender(OverTextsRecommender):
    """A recurrent network over item texts: text is encoded once, the network models the sequence.

    Trained at all positions with exact cross-entropy over the catalog. An item without events is scored by its
    text; the others have, with ``sequence.id_residual``, a learned vector beside it.
    """

    sections = (*SequentialRecommender.sections, *OverTextsRecommender.sections_of_texts)
    cell: ClassVar[Literal["gru", "lstm"]]

    def _network(self) -> TextRecurrentNetwork:
        from llmrec.models.sequential.text_networks import TextRecurrentNetwork

        shape = self.recipe.sequence
        return TextRecurrentNetwork(
            self.cell, **self._of_items(), dim=shape.dim, layers=shape.layers, dropout=shape.dropout
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
