"""What a model reads and predicts of events besides their items, as fitted to its training data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from llmrec.arrays import Float32s
from llmrec.config import Recipe
from llmrec.data import Dataset
from llmrec.data.cleaning.number_cells import require_numbers
from llmrec.data.columns import ITEM
from llmrec.data.responses.count_features import CountFeatures
from llmrec.data.responses.field_bins import EventBins
from llmrec.data.responses.task_set import Targets, TaskSet
from llmrec.errors import RecipeError


@dataclass(frozen=True, eq=False)
class EventFields:
    """The bins of the fields that are read, the tasks that are predicted, and what their heads read of items.

    ``count_features``: what the heads read besides states, or None. ``prices`` [n_items]: each item's median
    price in training where ``responses.rank_by`` is value, else 1.
    """

    bins: EventBins
    tasks: TaskSet
    count_features: CountFeatures | None
    prices: Float32s

    @classmethod
    def fit(cls, data: Dataset, recipe: Recipe, *, like: EventFields | None = None) -> EventFields:
        """Fit what a recipe reads and predicts to training data. Raises DataError for a missing column.

        ``like``: bins and tasks are those, of an earlier training that goes on; counts and prices are of ``data``.
        """
        needs: dict[str, str] = {name: f"history.events={name}" for name in recipe.history.events}
        if recipe.responses.rank_by == "value":
            needs["price"] = "responses.rank_by=value"
        require_numbers(data.steps, needs, label=data.name)
        if like is None:
            bins = EventBins.fit(data.histories, recipe.history.events, order_only=data.order_only)
            tasks = TaskSet.fit(data, recipe.tasks, recipe.responses)
        else:
            bins, tasks = like.bins, like.tasks
        wanted = recipe.tasks and recipe.responses.count_features
        count_features = CountFeatures.fit(data, tasks) if wanted else None
        if count_features is not None and like is not None and like.count_features is not None:
            count_features = count_features.binned_as(like.count_features)
        valued = recipe.responses.rank_by == "value"
        prices = _median_prices(data) if valued else np.ones(len(data.catalog), dtype=np.float32)
        return cls(bins, tasks, count_features, prices)

    def targets(self, data: Dataset) -> Targets | None:
        """Read the targets of training events whose items are known; None without tasks and behavior weights."""
        if not self.tasks.specs and not self.tasks.weights:
            return None
        targets = self.tasks.targets(data.histories)
        if self.count_features is not None:
            targets = replace(targets, features=self.count_features.of_events(data.histories, data.catalog))
        return targets.of_known(data.histories.offsets, data.catalog.codes(data.histories.events[ITEM]) >= 0)

    def extended(self, n_new: int) -> EventFields:
        """Return the fields for a catalog with ``n_new`` more items: without events, of median price."""
        prices = np.concatenate([self.prices, np.full(n_new, np.median(self.prices), dtype=np.float32)])
        count_features = self.count_features and self.count_features.extended(len(prices))
        return replace(self, count_features=count_features, prices=prices)


def _median_prices(data: Dataset) -> Float32s:
    """Each item's median price; an item without one has the median of the others."""
    if "price" not in data.events.columns:
        raise RecipeError("responses.rank_by=value needs a price column in the events")
    priced = (
        data.events.filter((pl.col("price") > 0) & pl.col("price").is_finite())
        .group_by(ITEM)
        .agg(pl.col("price").median())
    )
    table = data.catalog.table.select(ITEM).join(priced, on=ITEM, how="left", maintain_order="left")
    median = float(priced["price"].median() or 1.0)  # type: ignore[arg-type]
    return table["price"].fill_null(median).to_numpy().astype(np.float32)
