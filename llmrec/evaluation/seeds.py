"""Runs of one recipe with several seeds, as one: mean and spread, so that one lucky draw is no result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from llmrec.evaluation.results import Result, Seeds, Spread
from llmrec.models.base import Recommender


def grouped(models: Mapping[str, Recommender], results: list[Result]) -> tuple[Seeds, ...]:
    """Group models whose recipes differ in nothing but the seed; a group has at least two seeds.

    The spread is the standard deviation over seeds (n - 1): what training again would change, where the
    intervals of each row say what asking other people would.
    """
    groups: dict[str, list[str]] = {}
    for name, model in models.items():
        groups.setdefault(model.recipe.model_copy(update={"seed": 0}).to_yaml(), []).append(name)
    found = {result.model: result for result in results}
    return tuple(
        _seeds([models[name] for name in names], [found[name] for name in names])
        for names in groups.values()
        if len({models[name].recipe.seed for name in names}) > 1
    )


def _seeds(models: list[Recommender], results: list[Result]) -> Seeds:
    return Seeds(
        recipe=models[0].recipe.name,
        models=tuple(result.model for result in results),
        seeds=tuple(model.recipe.seed for model in models),
        metrics={
            column: _spread([result.metrics[column].mean for result in results]) for column in results[0].metrics
        },
    )


def _spread(values: list[float]) -> Spread:
    return Spread(
        mean=float(np.mean(values)), deviation=float(np.std(values, ddof=1)), low=min(values), high=max(values)
    )
