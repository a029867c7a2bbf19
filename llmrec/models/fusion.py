"""Two recommenders' scores in one ranking, by a weight that can be chosen on validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from llmrec.arrays import Float32s
from llmrec.data import Fold, Histories, Sequences
from llmrec.errors import DataError
from llmrec.metrics import per_user
from llmrec.models.base import Recommender
from llmrec.models.composite import Composite
from llmrec.models.ranker import CHUNK
from llmrec.models.ranking import table_of, top_k

WEIGHTS = tuple(round(0.1 * n, 1) for n in range(11))


class Fusion(Composite):
    """Ranks by ``(1 - weight) * z(a) + weight * z(b)``; ``z`` is a model's scores of one history, standardized.

    Standardized for each history over the whole catalog, because scores of different models have no common
    unit; unlike ranks, standardized scores say how clear a decision is. Works for any two recommenders of the
    same catalog. Raises DataError for other weights than 0 to 1 and for different catalogs.

    >>> from llmrec.data import Split, toy_films
    >>> from llmrec.models import MarkovRecommender, PopularityRecommender
    >>> split = Split.leave_last_out(toy_films())
    >>> one, other = (kind().fit(split.train) for kind in (MarkovRecommender, PopularityRecommender))
    >>> Fusion.tuned(one, other, split.valid).recommend(split.test.histories[:1], 1).row(0)[:2]
    ('0', '4')
    """

    kind = "fusion"

    def __init__(self, a: Recommender | Composite, b: Recommender | Composite, weight: float = 0.5) -> None:
        _check_weight(weight)
        super().__init__(a, b)
        self.weight = weight
        self._valid_ndcg: dict[str, dict[str, float]] = {}
        if self.is_fitted:
            self._check_catalogs()

    @classmethod
    def tuned(
        cls,
        a: Recommender | Composite,
        b: Recommender | Composite,
        fold: Fold,
        *,
        weights: Sequence[float] = WEIGHTS,
        k: int = 10,
    ) -> Self:
        """Fuse with the weight of the highest NDCG@k on a validation fold; of equals, the smallest.

        ``metadata["fusion"]`` holds the NDCG of each weight. Raises DataError without a fold, without a weight and
        for other weights than 0 to 1.
        """
        if not len(fold.histories) or not weights:
            raise DataError("a fusion's weight is chosen among weights on a validation fold; one of them is empty")
        for weight in weights:
            _check_weight(weight)
        fusion = cls(a, b)
        ndcg = dict(zip(weights, fusion._mean_ndcg(fold, weights, k), strict=True))
        fusion.weight = min(weights, key=lambda weight: (-ndcg[weight], weight))
        by_weight = {f"{weight:g}": round(value, 6) for weight, value in ndcg.items()}
        fusion._valid_ndcg = {f"valid_ndcg@{k}": by_weight}
        return fusion

    @property
    def metadata(self) -> dict[str, Any]:
        """As of every composite; ``fusion`` holds the weight and how it was chosen."""
        return {**super().metadata, "fusion": {"weight": self.weight, **self._valid_ndcg}}

    def score(self, histories: Histories) -> Float32s:
        """Mix both models' standardized scores; each encodes histories itself. See ``Ranker.score``."""
        self._check_catalogs()
        a, b = (standardized(model.score(histories)) for model in self.models)
        return fused(a, b, self.weight)

    def _check_catalogs(self) -> None:
        a, b = (model.catalog for model in self.models)
        if a.ids != b.ids:
            raise DataError(
                f"a fusion needs two models of one catalog; these rank {len(a)} and {len(b)} items"
                + (", not the same ones" if len(a) == len(b) else "")
            )

    def _mean_ndcg(self, fold: Fold, weights: Sequence[float], k: int) -> list[float]:
        """Mean NDCG@k of each weight; both models score each history once."""
        histories = fold.histories
        by_weight: list[list[float]] = [[] for _ in weights]
        for start in range(0, len(histories), CHUNK):
            part = histories[start : start + CHUNK]
            seen = Sequences.encode(part, self.catalog)
            a, b = (standardized(model.score(part)) for model in self.models)
            for values, weight in zip(by_weight, weights, strict=True):
                values += self._ndcg(fused(a, b, weight), part, seen, fold, k)
        return [float(np.mean(values)) for values in by_weight]

    def _ndcg(self, scores: Float32s, part: Histories, seen: Sequences, fold: Fold, k: int) -> list[float]:
        if self.exclude_seen:
            scores[seen.users(), seen.codes] = -np.inf
        users = list(part.user_ids)
        recs = table_of(users, self.catalog, *top_k(scores, k, self.catalog.tie_order))
        return per_user(recs, fold.answers, users=users, k=k)[f"ndcg@{k}"].to_list()


def _check_weight(weight: float) -> None:
    """Raise DataError unless a weight is between 0 and 1."""
    if not 0 <= weight <= 1:
        raise DataError(f"the weight of a fusion lies between 0 (first model) and 1 (second), got {weight}")


def fused(a: Float32s, b: Float32s, weight: float) -> Float32s:
    """Mix two models' standardized scores, [n, n_items]."""
    return np.float32(1 - weight) * a + np.float32(weight) * b


def standardized(scores: Float32s) -> Float32s:
    """Centre each row and divide it by its standard deviation; a row of equal scores becomes zeros."""
    centred = scores - scores.mean(axis=1, keepdims=True, dtype=np.float64)
    spread = centred.std(axis=1, keepdims=True)
    result: Float32s = (centred / np.where(spread > 0, spread, 1)).astype(np.float32)
    return result
