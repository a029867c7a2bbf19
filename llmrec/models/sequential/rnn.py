"""GRU and LSTM over item ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from llmrec.models.sequential.base import SequentialRecommender

if TYPE_CHECKING:
    from llmrec.models.sequential.networks import SequenceNetwork


class RecurrentRecommender(SequentialRecommender):
    """A recurrent network of one kind of ``cell``."""

    cell: ClassVar[Literal["gru", "lstm"]]

    def _network(self) -> SequenceNetwork:
        from llmrec.models.sequential.networks import RecurrentNetwork

        shape = self.recipe.sequence
        return RecurrentNetwork(
            self.cell, len(self.catalog), dim=shape.dim, layers=shape.layers, dropout=shape.dropout
        )


class GRURecommender(RecurrentRecommender):
    """GRU over item ids (GRU4Rec, Hidasi et al. 2016), exact cross-entropy at every position."""

    kind = "gru"
    cell = "gru"


class LSTMRecommender(RecurrentRecommender):
    """LSTM over item ids, exact cross-entropy at every position."""

    kind = "lstm"
    cell = "lstm"
