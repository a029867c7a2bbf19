"""eSASRec: SASRec in LiGR blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmrec.models.sequential.sasrec import SASRecRecommender, attention_shape

if TYPE_CHECKING:
    from llmrec.models.sequential.ligr import LiGRNetwork


class ESASRecRecommender(SASRecRecommender):
    """Causal self-attention in LiGR blocks (eSASRec, Tikhonovich et al. 2025), with exact cross-entropy."""

    kind = "esasrec"

    def _network(self) -> LiGRNetwork:
        from llmrec.models.sequential.ligr import LiGRNetwork

        return LiGRNetwork(len(self.catalog), **attention_shape(self.recipe.sequence))
