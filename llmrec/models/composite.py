"""Rankers made of recommenders: they learn nothing themselves and are no runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from llmrec.data import Catalog, Dataset, Fold, Histories
from llmrec.models.base import Recommender
from llmrec.models.ranker import Ranker, Seeded


class Composite(Ranker):
    """Ranks through its ``models``, of which the first says what is known of users.

    ``fit`` fits them all; fitted ones can be combined as they are. What they know is read from them at every
    call: a composite follows a model that is fitted again or takes in items. It is not saved: save its models.
    """

    def __init__(self, *models: Recommender | Composite) -> None:
        self.models = models

    def fit(
        self,
        data: Dataset,
        *,
        valid: Fold | None = None,
        work_dir: str | Path | None = None,
        progress: bool = False,
    ) -> Self:
        """Fit every model, each with a folder of its own in ``work_dir``; see ``Recommender.fit``."""
        for n, model in enumerate(self.models):
            folder = None if work_dir is None else Path(work_dir) / f"{n}-{model.kind}"
            model.fit(data, valid=valid, work_dir=folder, progress=progress)
        return self

    def prepare(self) -> Self:
        """Read what the models read when it is first needed, and return self."""
        for model in self.models:
            model.prepare()
        return self

    @property
    def is_fitted(self) -> bool:
        """Whether all models are."""
        return all(model.is_fitted for model in self.models)

    @property
    def catalog(self) -> Catalog:
        """The items that are ranked, without those removed from any model's catalog.

        Raises DataError before the models are fitted.
        """
        return without_removed([model.catalog for model in self.models])

    @property
    def histories(self) -> Histories:
        """What is known of each user."""
        return self.models[0].histories

    @property
    def exclude_seen(self) -> bool:
        """Whether items of a history are left out by default."""
        return self.models[0].exclude_seen

    @property
    def metadata(self) -> dict[str, Any]:
        """The first model's metadata, the kinds of all in ``made_of``, and the sum of their costs."""
        kinds = [model.kind for model in self.models]
        costs = [model.metadata.get("cost", {}) for model in self.models]
        return {**self.models[0].metadata, "made_of": kinds, "cost": summed_costs(costs)}

    @property
    def dtype(self) -> str | None:
        """What the first LLM among the models computes in."""
        return next((model.dtype for model in self.models if model.dtype), None)

    @property
    def seeded(self) -> Seeded:
        """The settings of all models, with the first one's seed."""
        parts = [model.seeded for model in self.models]
        name = f"{self.kind} of {' and '.join(part.name for part in parts)}"
        return Seeded(name, "---\n".join(part.settings for part in parts), parts[0].seed)


def without_removed(catalogs: Sequence[Catalog]) -> Catalog:
    """Return the first catalog without the items that are removed from any other one of the same items."""
    catalog, *others = catalogs
    for other in others:
        if other.removed is not None and other is not catalog and other.ids == catalog.ids:
            mask = other.removed if catalog.removed is None else catalog.removed | other.removed
            catalog = catalog.replaced(catalog.table, mask)
    return catalog


def summed_costs(costs: list[dict[str, Any]]) -> dict[str, Any]:
    """Add training times up; memory is that of the largest, other figures are those of a single model only."""
    if len(costs) == 1:
        return dict(costs[0])
    return {
        "train_seconds": round(sum(cost.get("train_seconds", 0.0) for cost in costs), 2),
        "peak_memory_gib": max(cost.get("peak_memory_gib", 0.0) for cost in costs),
        "device": "+".join(sorted({cost.get("device", "cpu") for cost in costs})),
    }
