"""Rank by a stack of whose LLM the user vectors are there already: those of live sessions, or of a cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from llmrec.arrays import Float32s
from llmrec.data import Histories
from llmrec.models.base import Recommender
from llmrec.models.composite import Composite
from llmrec.models.llm.embedded import EmbeddedHistories
from llmrec.models.llm.recommender import LLMRecommender
from llmrec.models.ranking import finite
from llmrec.models.request import Request
from llmrec.models.stacking.stack import Stack
from llmrec.retrieval.calibration import Diversity
from llmrec.retrieval.filters import Filter


class EmbeddedStack(Composite):
    """Answers as ``model`` does for histories of which some LLMs among its members have read the vectors.

    ``vectors``: by the position of a member the vectors [dim], unit length, by user id.
    """

    kind: ClassVar[str] = "embedded-stack"

    def __init__(self, model: Stack, vectors: Mapping[int, Mapping[str, Float32s]]) -> None:
        super().__init__(model)
        self._model = model
        self._embedded = {id(model.members[n]): EmbeddedHistories(llm_at(model, n), vectors[n]) for n in vectors}

    def score(self, histories: Histories) -> Float32s:
        """Score every item for histories by their users' vectors: float32 [n, n_items]."""
        return finite(self._model.scored_by(histories, self._by_member))

    def request(self, k: int, wanted: Filter | None, diversity: Diversity) -> Request:
        """Return what is asked of every list. Raises DataError as the model does."""
        return self._model.request(k, wanted, diversity)

    def _by_member(self, member: Recommender, part: Histories) -> Float32s:
        return self._embedded.get(id(member), member).score(part)


def llm_at(model: Stack, n: int) -> LLMRecommender:
    """Return the LLM that is the stack's member ``n``."""
    member = model.members[n]
    assert isinstance(member, LLMRecommender)
    return member


def embedded_members(model: Stack) -> list[int]:
    """Return the positions of the LLMs in a stack that rank by relevance alone and have a weight there."""
    return [
        n
        for n, member in enumerate(model.members)
        if isinstance(member, LLMRecommender)
        and member.recipe.responses.rank_by == "relevance"
        and model.logit.reads(n)
    ]
