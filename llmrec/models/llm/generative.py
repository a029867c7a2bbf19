"""Recommend by generating: the items whose titles the tuned LLM would write next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from llmrec.arrays import Bools, Float32s, Int32s, Int64s
from llmrec.data import Histories, Sequences
from llmrec.errors import DataError
from llmrec.models.arguments import require_histories
from llmrec.models.composite import Composite
from llmrec.models.llm.ranker import LLMRanker
from llmrec.models.ranking import rank_candidates
from llmrec.retrieval.filters import EVERY_ITEM, ItemRules

if TYPE_CHECKING:
    from llmrec.models.llm.title_generation import TitleGenerator


class GenerativeRanking(Composite):
    """Ranks by the log-probability of an item's text after the history, among the texts of the catalog, under a
    fitted LLM recommender.

    Wherever texts part, the LLM chooses among the tokens that they go on with; the probabilities of all texts sum
    to one. ``beams``: how many titles a beam search follows from one such place to the next; only items of the
    catalog come out, and at least as many as asked for. None scores every title, which reads all that leads to
    such a place for each history: for catalogs of some thousands. ``score`` always does. Of ``history.max_tokens``
    the longest title's tokens are left for the title. Raises ModelError for a model that was not trained to write
    titles.

    >>> from llmrec import Recipe
    >>> from llmrec.models import LLMRecommender
    >>> recipe = Recipe.load("smollm2-135m-lora", set={"train.title_loss": 0.1})
    >>> GenerativeRanking(LLMRecommender(recipe)).is_fitted
    False
    """

    kind = "generative"

    def __init__(self, model: LLMRanker, *, beams: int | None = 20) -> None:
        if beams is not None and beams < 1:
            raise DataError(f"beams must be at least 1, got {beams}; None ranks every title exactly")
        super().__init__(model)
        self.model, self.beams = model, beams
        self._cached: TitleGenerator | None = None

    @property
    def _generator(self) -> TitleGenerator:
        """The generator of the model's encoder, which is another one after a fit or new items."""
        from llmrec.models.llm.title_generation import TitleGenerator

        encoder = self.model.encoder
        if self._cached is None or self._cached.encoder is not encoder:
            self._cached = TitleGenerator(encoder)
        return self._cached

    def score(self, histories: Histories) -> Float32s:
        """Score every title after every history, whatever ``beams`` is. See ``Ranker.score``."""
        sequences = Sequences.encode(require_histories(histories), self.catalog)
        if not len(sequences):
            return np.zeros((0, len(self.catalog)), dtype=np.float32)
        return self._generator.exact(sequences)

    def _ranked(
        self, histories: Histories, k: int, *, exclude_seen: bool, rules: ItemRules = EVERY_ITEM
    ) -> tuple[Int64s, Float32s]:
        if self.beams is None or rules.added is not None:  # a beam follows no boost
            return super()._ranked(histories, k, exclude_seen=exclude_seen, rules=rules)
        sequences = Sequences.encode(histories, self.catalog)
        allowed = self._unseen(sequences, exclude_seen=exclude_seen)
        if rules.allowed is not None:
            allowed &= rules.allowed
        return self._generated(sequences, k, max(self.beams, k), allowed)

    def _ranked_among(
        self,
        histories: Histories,
        candidates: list[Int32s],
        k: int,
        *,
        exclude_seen: bool,
        rules: ItemRules = EVERY_ITEM,
    ) -> tuple[Int64s, Float32s]:
        sequences = Sequences.encode(histories, self.catalog)
        allowed = self._unseen(sequences, exclude_seen=exclude_seen)
        for row, codes in enumerate(candidates):
            allowed[row] &= np.isin(np.arange(len(self.catalog)), codes)
        # As many beams as candidates: exact.
        return self._generated(sequences, k, max(int(allowed.sum(axis=1).max(initial=0)), 1), allowed, rules)

    def _generated(
        self, sequences: Sequences, k: int, beams: int, allowed: Bools, rules: ItemRules = EVERY_ITEM
    ) -> tuple[Int64s, Float32s]:
        codes, values = self._generator.best(sequences, beams, allowed=allowed)
        if not codes.shape[1]:
            return codes, values
        values = rules.boosted(codes, values)
        return rank_candidates(codes, values, k, self.catalog.tie_order, without=np.isneginf(values))

    def _unseen(self, sequences: Sequences, *, exclude_seen: bool) -> Bools:
        allowed = np.ones((len(sequences), len(self.catalog)), dtype=bool)
        if exclude_seen:
            allowed[sequences.users(), sequences.codes] = False
        return allowed
