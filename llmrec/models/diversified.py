"""A recommender with diverse lists, to be judged beside itself: what diversity costs in accuracy."""

from __future__ import annotations

from llmrec.arrays import Float32s, Int32s, Int64s
from llmrec.data import Histories
from llmrec.errors import DataError
from llmrec.models.base import Recommender
from llmrec.models.composite import Composite
from llmrec.models.request import Request, check_diversity
from llmrec.retrieval.filters import EVERY_ITEM, Filter, ItemRules


class Diversified(Composite):
    """Ranks as ``model`` does with ``recommend(..., diversity=diversity)``, by default in every list.

    Raises DataError for a diversity that is not above 0 and at most 1.
    """

    kind = "diversified"

    def __init__(self, model: Recommender | Composite, diversity: float = 0.3) -> None:
        super().__init__(model)
        self.diversity = check_diversity(diversity)
        if not self.diversity:
            raise DataError("a diversity of 0 changes no list; judge the model itself")

    def score(self, histories: Histories) -> Float32s:
        """Score as the model does: scores do not depend on the list."""
        return self.models[0].score(histories)

    def request(self, k: int, wanted: Filter | None, diversity: float) -> Request:
        """Ask for diverse lists; ``diversity`` above 0 holds instead of its own."""
        return self.models[0].request(k, wanted, diversity or self.diversity)

    def item_vectors(self) -> Float32s | None:
        """Return the model's item vectors."""
        return self.models[0].item_vectors()

    def _ranked(
        self, histories: Histories, k: int, *, exclude_seen: bool, rules: ItemRules = EVERY_ITEM
    ) -> tuple[Int64s, Float32s]:
        return self.models[0]._ranked(histories, k, exclude_seen=exclude_seen, rules=rules)

    def _ranked_among(
        self,
        histories: Histories,
        candidates: list[Int32s],
        k: int,
        *,
        exclude_seen: bool,
        rules: ItemRules = EVERY_ITEM,
    ) -> tuple[Int64s, Float32s]:
        return self.models[0]._ranked_among(histories, candidates, k, exclude_seen=exclude_seen, rules=rules)
