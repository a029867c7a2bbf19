"""eSASRec: SASRec in LiGR blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmrec.models.sequential.sasrec import SASRecRecommender, attention_shape

if TYPE_CHECKING:
    from llmrec.models.sequential.ligr import LiGRNetwork


class ESASRecRecommender(SASRecRecommender):
    """Causal self-attention in LiGR blocks (eSASRec, Tikhonovich et al. 2025), with exact cross-entropy.

    >>> from llmrec import Recipe
    >>> from llmrec.data import toy_films
    >>> recipe = Recipe.load("esasrec", set={"train.epochs": 1, "sequence.dim": 16})
    >>> ESASRecRecommender(recipe).fit(toy_films())
    ESASRecRecommender(fitted on toy-films, 20 items)
    """

    kind = "esasrec"

    def _network(self) -> LiGRNetwork:
        from llmrec.models.sequential.ligr import LiGRNetwork

        return LiGRNetwork(len(self.catalog), **attention_shape(self.recipe.sequence))
