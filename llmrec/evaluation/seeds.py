"""Runs of one recipe with several seeds as one: mean and spread, so that one lucky seed is no result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from llmrec.evaluation.compare import compare
from llmrec.evaluation.protocol import EvaluationProtocol
from llmrec.evaluation.results import Comparison, Result, Seeds, Spread
from llmrec.models.ranker import Ranker, Seeded


def group_seeds(
    models: Mapping[str, Ranker],
    results: list[Result],
    tables: Mapping[str, pl.DataFrame],
    rules: EvaluationProtocol,
) -> tuple[Seeds, ...]:
    """Group models whose settings differ in nothing but the seed; a group has at least two seeds.

    ``tables``: each model's metrics per user. The spread is the standard deviation over seeds (n - 1): what
    training again would change, where intervals say what other users would.
    """
    seeded = {name: model.seeded for name, model in models.items()}
    groups: dict[str, dict[str, Seeded]] = {}
    for name, one in seeded.items():
        if one is not None:
            groups.setdefault(one.settings, {})[name] = one
    by_name = {result.model: result for result in results}
    several = [group for group in groups.values() if len({one.seed for one in group.values()}) > 1]
    recipes = [next(iter(group.values())).name for group in several]
    return tuple(
        _seeds(
            # A recipe whose fields were changed has its name still.
            recipe if recipes.count(recipe) == 1 else f"{recipe} ({', '.join(group)})",
            list(group.values()),
            [by_name[name] for name in group],
            tables,
            rules,
        )
        for recipe, group in zip(recipes, several, strict=True)
    )


def compare_seeds(
    seeds: tuple[Seeds, ...], tables: Mapping[str, pl.DataFrame], rules: EvaluationProtocol
) -> tuple[Comparison, ...]:
    """Compare the first recipe with each other one, by each user's mean over its seeds."""
    if not seeds:
        return ()
    means = {one.recipe: _mean(one.models, tables, rules) for one in seeds}
    return compare({one.recipe: one.over_users for one in seeds}, means, rules)


def _mean(names: tuple[str, ...], tables: Mapping[str, pl.DataFrame], rules: EvaluationProtocol) -> pl.DataFrame:
    """Each user's metrics, averaged over runs."""
    columns = {column: [tables[name][column].to_numpy() for name in names] for column in rules.columns}
    return pl.DataFrame({column: np.mean(values, axis=0) for column, values in columns.items()})


def _seeds(
    recipe: str,
    group: list[Seeded],
    results: list[Result],
    tables: Mapping[str, pl.DataFrame],
    rules: EvaluationProtocol,
) -> Seeds:
    names = tuple(result.model for result in results)
    mean = _mean(names, tables, rules)
    return Seeds(
        recipe=recipe,
        models=names,
        seeds=tuple(one.seed for one in group),
        metrics={
            column: _spread([result.metrics[column].mean for result in results]) for column in results[0].metrics
        },
        over_users={column: rules.interval(mean[column].to_numpy()) for column in rules.columns},
    )


def _spread(values: list[float]) -> Spread:
    return Spread(
        mean=float(np.mean(values)), deviation=float(np.std(values, ddof=1)), low=min(values), high=max(values)
    )
