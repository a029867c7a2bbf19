"""A recommender with diverse lists, to be judged beside itself: what diversity costs in accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from llmrec.arrays import Float32s
from llmrec.data import Histories
from llmrec.errors import DataError
from llmrec.models.base import Recommender
from llmrec.models.composite import Composite
from llmrec.models.request import check_diversity
from llmrec.retrieval.calibration import Diversity
from llmrec.retrieval.filters import Filter


class Diversified(Composite):
    """Recommends as ``model`` does with ``recommend(..., diversity=diversity)``, by default in every list.

    ``diversity``: above 0 to 1, or a Calibration. Raises DataError for anything else.

    >>> from llmrec.data import toy_films
    >>> from llmrec.models import ALSRecommender
    >>> diverse = Diversified(ALSRecommender().fit(toy_films()), 0.5)
    >>> diverse.recommend([["3", "4"]], 2)["rank"].to_list()
    [1, 2]
    """

    kind = "diversified"

    def __init__(self, model: Recommender | Composite, diversity: Diversity = 0.3) -> None:
        super().__init__(model)
        self.diversity = check_diversity(diversity)
        if not self.diversity:
            raise DataError("a diversity of 0 changes no list; judge the model itself")

    def score(self, histories: Histories) -> Float32s:
        """Score as the model does: scores do not depend on the list."""
        return self.models[0].score(histories)

    def recommend(
        self,
        histories: Histories,
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        candidates: Mapping[str, Sequence[str]] | None = None,
        filter: Filter | None = None,
        diversity: Diversity = 0.0,
    ) -> pl.DataFrame:
        """See ``Ranker.recommend``; a ``diversity`` above 0 holds instead of its own."""
        return self.models[0].recommend(
            histories,
            k,
            exclude_seen=exclude_seen,
            candidates=candidates,
            filter=filter,
            diversity=diversity or self.diversity,
        )
