"""SASRec: causal self-attention over item ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from llmrec.config import Recipe, SequenceConfig
from llmrec.errors import RecipeError
from llmrec.models.sequential.base import SequentialRecommender

if TYPE_CHECKING:
    from llmrec.models.sequential.networks import SequenceNetwork


class AttentionShape(TypedDict):
    """What an attention network is built with."""

    dim: int
    layers: int
    heads: int
    dropout: float
    max_items: int


class SASRecRecommender(SequentialRecommender):
    """Causal self-attention over item ids (SASRec, Kang & McAuley 2018), with exact cross-entropy.

    The loss decides: with sampled negatives the same network ranks far worse (Klenitskiy & Vasilev 2023).

    >>> from llmrec import Recipe
    >>> from llmrec.data import toy_films
    >>> recipe = Recipe.load("sasrec", set={"train.epochs": 1, "sequence.dim": 16})
    >>> SASRecRecommender(recipe).fit(toy_films())
    SASRecRecommender(fitted on toy-films, 20 items)
    """

    kind = "sasrec"
    sections = (*SequentialRecommender.sections, "sequence.heads")

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raise RecipeError for heads that do not divide the width."""
        super().check_recipe(recipe)
        attention_shape(recipe.sequence)

    def _network(self) -> SequenceNetwork:
        from llmrec.models.sequential.networks import AttentionNetwork

        return AttentionNetwork(len(self.catalog), **attention_shape(self.recipe.sequence))


def attention_shape(sequence: SequenceConfig) -> AttentionShape:
    """Return the arguments of an attention network. Raises RecipeError for heads that do not divide the width."""
    if sequence.dim % sequence.heads:
        raise RecipeError(f"sequence.dim={sequence.dim} does not divide by sequence.heads={sequence.heads}")
    return {
        "dim": sequence.dim,
        "layers": sequence.layers,
        "heads": sequence.heads,
        "dropout": sequence.dropout,
        "max_items": sequence.max_items,
    }
