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
    """GRU over item ids (GRU4Rec, Hidasi et al. 2016), exact cross-entropy at every position.

    >>> from llmrec import Recipe
    >>> from llmrec.data import toy_films
    >>> recipe = Recipe.load("gru", set={"train.epochs": 1, "sequence.dim": 16})
    >>> GRURecommender(recipe).fit(toy_films())
    GRURecommender(fitted on toy-films, 20 items)
    """

    kind = "gru"
    cell = "gru"


class LSTMRecommender(RecurrentRecommender):
    """LSTM over item ids, exact cross-entropy at every position.

    >>> from llmrec import Recipe
    >>> from llmrec.data import toy_films
    >>> recipe = Recipe.load("lstm", set={"train.epochs": 1, "sequence.dim": 16})
    >>> LSTMRecommender(recipe).fit(toy_films())
    LSTMRecommender(fitted on toy-films, 20 items)
    """

    kind = "lstm"
    cell = "lstm"
