"""Slices add up to the whole, and seeds of one recipe are told from other recipes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from llmrec import Recipe
from llmrec.arrays import Float32s
from llmrec.data import Catalog, Dataset, Fold, Histories, Sequences, Split, toy_films
from llmrec.evaluation import EvaluationProtocol, Report, evaluate
from llmrec.evaluation.slices import _groups, slice_metric
from llmrec.models import Recommender, from_recipe
from llmrec.models.baselines.popularity import PopularityRecommender, RecentRecommender

RULES = EvaluationProtocol.load("leave-last-out")


class NextFilm(PopularityRecommender):
    """Knows the rule: one step on from the last item."""

    def _score(self, sequences: Sequences) -> Float32s:
        last = np.array([sequences[n][-1] for n in range(len(sequences))])
        steps = (np.arange(len(self.catalog)) - last[:, None] - 1) % len(self.catalog)
        scores: Float32s = (-steps).astype(np.float32)
        return scores


@pytest.fixture(scope="module")
def train() -> Dataset:
    """Item a holds six of twelve events, b and c three each, d none."""
    items = pl.DataFrame({"item_id": list("abcd"), "title": list("ABCD")})
    met = list("aaaaaabbbccc")
    events = pl.DataFrame({"user_id": [str(n) for n in range(12)], "item_id": met, "timestamp": 0})
    return Dataset(events, Catalog(items))


def test_items_are_grouped_by_the_events_they_hold(train: Dataset) -> None:
    assert _groups(train).tolist() == [0, 1, 2, 3, 3]


def test_each_part_is_judged_by_its_own_answers(train: Dataset) -> None:
    histories = Histories.of({"x": ["a"] * 5, "y": ["b"] * 6, "z": []})
    answers = pl.DataFrame({"user_id": ["x", "y", "y", "z"], "item_id": ["a", "a", "d", "new"]})
    recs = pl.DataFrame({"user_id": ["x", "y"], "item_id": ["a", "d"], "rank": [1, 1]})
    parts = {(part.by, part.name): part for part in slice_metric(recs, Fold(histories, answers), train, RULES)}
    assert {key: (part.users, part.interval.mean) for key, part in parts.items()} == {
        ("history length", "none"): (1, 0.0),
        ("history length", "1 to 5"): (1, 1.0),
        ("history length", "6 to 10"): (1, pytest.approx(1 / (1 + 1 / np.log2(3)))),
        ("answer", "a well-known item"): (2, 0.5),
        ("answer", "an item nobody met"): (2, 0.5),
    }


def test_parts_add_up_to_the_whole() -> None:
    split = Split.leave_last_out(toy_films())
    report = evaluate({"popularity": PopularityRecommender().fit(split.train)}, split)
    (result,) = report.results
    for by in ("history length", "answer"):
        parts = [part for part in result.slices if part.by == by]
        assert sum(part.users for part in parts) == result.users
        total = sum(part.users * part.interval.mean for part in parts)
        assert total / result.users == pytest.approx(result.metrics["ndcg@10"].mean)


def test_runs_of_one_recipe_with_several_seeds_are_one_row() -> None:
    split = Split.leave_last_out(toy_films(n_items=12, n_users=30))

    def recipe(seed: int, share: float = 0.1) -> Recipe:
        return Recipe.of({"name": "mine", "model": "recent", "seed": seed, "counting": {"recent_share": share}})

    class Better(RecentRecommender):
        _score = NextFilm._score

    recipes = {"one": recipe(1), "two": recipe(2), "again": recipe(1), "wide": recipe(3, 0.5)}
    models = {name: from_recipe(recipe).fit(split.train) for name, recipe in recipes.items()}
    models["two"] = Better(recipe(2)).fit(split.train)  # stands for a run that came out better
    report = evaluate(models, split)
    (group,) = report.seeds
    assert (group.recipe, group.models, group.seeds) == ("mine", ("one", "two", "again"), (1, 2, 1))
    assert group.metrics["ndcg@10"].high == 1.0
    means = [result.metrics["ndcg@10"].mean for result in report.results[:3]]
    spread = group.metrics["ndcg@10"]
    assert (spread.mean, spread.deviation) == pytest.approx((np.mean(means), np.std(means, ddof=1)))
    assert (spread.low, spread.high) == (min(means), max(means))
    assert group.over_users["ndcg@10"].mean == pytest.approx(spread.mean)
    assert report.seeds_compared == ()
    assert "Trained again with other seeds" in report.to_html()
    again = evaluate({name: models[name] for name in ("one", "wide")}, split)
    assert again.seeds == ()


def test_recipes_are_compared_by_each_users_mean_over_seeds() -> None:
    split = Split.leave_last_out(toy_films(n_items=12, n_users=30))

    def recipe(name: str, seed: int) -> Recipe:
        return Recipe.of({"name": name, "model": "popularity", "seed": seed})

    models: dict[str, Recommender] = {
        f"{name} {seed}": kind(recipe(name, seed)).fit(split.train)
        for name, kind in (("right", NextFilm), ("popular", PopularityRecommender))
        for seed in (1, 2)
    }
    models["popular 2"] = NextFilm(recipe("popular", 2)).fit(split.train)  # one lucky seed
    report = evaluate(models, split)
    rows = {row.metric: row for row in report.seeds_compared}
    assert rows.keys() == {"ndcg@10", "recall@10", "mrr@10"}
    row, popular = rows["ndcg@10"], report.results[2].metrics["ndcg@10"].mean
    assert (row.model, row.against, row.comparisons) == ("right", "popular", 1)
    assert row.difference.mean == pytest.approx(1 - (popular + 1) / 2)
    assert row.ratio == pytest.approx(2 / (popular + 1))
    assert row.p_value is not None
    assert row.p_value == row.p_adjusted
    assert row.p_value < 0.01
    assert Report.from_dict(report.to_dict()) == report
