"""What a stack is for those who rank by it: members, weights, and scores by what somebody else has read."""

from __future__ import annotations

from abc import abstractmethod

from llmrec.arrays import Float32s
from llmrec.data import Histories
from llmrec.models.base import Recommender
from llmrec.models.stacking.conditional_logit import ConditionalLogit
from llmrec.models.stacking.scoring import MemberScores


class Stack(Recommender):
    """A recommender of ``members`` that a ``logit`` weighs; a change of its items makes other members."""

    members: list[Recommender]
    logit: ConditionalLogit

    @abstractmethod
    def scored_by(self, histories: Histories, by: MemberScores) -> Float32s:
        """Score as ``score`` does, [n, n_items], by what ``by`` says that a member which is no rule scores."""
