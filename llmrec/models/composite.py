"""Recommenders made of fitted ones: they learn nothing themselves and are no runs of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn, Self

from llmrec.config import Recipe
from llmrec.data import Catalog, Dataset, Fold, Histories, Split
from llmrec.errors import ArtifactError
from llmrec.models.base import Recommender


class Wrapped(Recommender):
    """Answers through other recommenders, of which the first says what is known of users.

    ``fit`` fits them all; fitted ones can be wrapped as they are. Not saved: save the models that it is made of.
    """

    def __init__(self, *models: Recommender, name: str) -> None:
        super().__init__(Recipe(name=name, model=self.kind, seed=models[0].recipe.seed))
        self.models = models
        if all(hasattr(model, "catalog") for model in models):
            self._adopt()

    def fit(
        self,
        data: Dataset,
        *,
        valid: Fold | None = None,
        work_dir: str | Path | None = None,
        progress: bool = False,
    ) -> Self:
        """Fit every model that this one is made of, each with its own part of ``work_dir``."""
        for n, model in enumerate(self.models):
            place = None if work_dir is None else Path(work_dir) / f"{n}-{model.kind}"
            model.fit(data, valid=valid, work_dir=place, progress=progress)
        self._adopt()
        return self

    def save(self, folder: str | Path, *, split: Split | None = None) -> None:
        """Refuse. Raises ArtifactError."""
        raise ArtifactError(
            f"a {self.kind} ranking is not a run of its own; save what it is made of "
            f"({', '.join(model.kind for model in self.models)}) and wrap that again after loading"
        )

    def _adopt(self) -> None:
        """Take over what the models know; costs add up."""
        first = self.models[0]
        self.catalog: Catalog = first.catalog
        self.histories: Histories = first.histories
        self.exclude_seen = first.exclude_seen
        costs = [model.metadata.get("cost", {}) for model in self.models]
        self.metadata = {**first.metadata, "made_of": [model.kind for model in self.models], "cost": _sum(costs)}

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> NoReturn:
        raise NotImplementedError

    def _save(self, folder: Path) -> NoReturn:
        raise NotImplementedError

    def _load(self, folder: Path) -> NoReturn:
        raise NotImplementedError


def _sum(costs: list[dict[str, Any]]) -> dict[str, Any]:
    """Add training times up; memory is that of the largest, other figures are those of a single model only."""
    if len(costs) == 1:
        return dict(costs[0])
    return {
        "train_seconds": round(sum(cost.get("train_seconds", 0.0) for cost in costs), 2),
        "peak_memory_gib": max(cost.get("peak_memory_gib", 0.0) for cost in costs),
        "device": "+".join(sorted({cost.get("device", "cpu") for cost in costs})),
    }
