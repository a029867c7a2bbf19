"""Slices add up to the whole, and seeds of one recipe are told from other recipes."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from llmrec import Recipe
from llmrec.arrays import Float32s
from llmrec.data import Catalog, Dataset, Fold, Histories, Sequences, Split, toy_films
from llmrec.evaluation import EvaluationProtocol, Report, evaluate
from llmrec.evaluation.answer_groups import popularity_groups
from llmrec.evaluation.report.tables import plain, slice_table
from llmrec.evaluation.slices import slice_metric, slice_queries
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
    assert popularity_groups(train).tolist() == [0, 1, 2, 3, 3]


def test_each_part_is_judged_by_its_own_answers(train: Dataset) -> None:
    histories = Histories.of({"x": ["a"] * 5, "y": ["b"] * 6, "z": []})
    answers = pl.DataFrame({"user_id": ["x", "y", "y", "z"], "item_id": ["a", "a", "d", "new"]})
    recs = pl.DataFrame({"user_id": ["x", "y"], "item_id": ["a", "d"], "rank": [1, 1]})
    assert judged(recs, Fold(histories, answers), train) == {
        ("history length", "none"): (1, 0.0),
        ("history length", "1 to 5"): (1, 1.0),
        ("history length", "6 to 10"): (1, pytest.approx(1 / (1 + 1 / np.log2(3)))),
        ("answer", "a well-known item"): (2, 0.5),
        ("answer", "an item nobody met"): (2, 0.5),
        ("transition", "not seen in training"): (2, pytest.approx((1 + 1 / (1 + 1 / np.log2(3))) / 2)),
        ("transition", "no event before"): (1, 0.0),
    }


def judged(recs: pl.DataFrame, fold: Fold, train: Dataset) -> dict[tuple[str, str], tuple[int, float]]:
    """Users and mean of each slice, by what divides the queries and its name."""
    parts = slice_metric(recs, fold, slice_queries(fold, train), RULES)
    return {(part.by, part.name): (part.users, part.interval.mean) for part in parts}


def log_of(histories: dict[str, list[tuple[str, float]]]) -> Dataset:
    """A log by user: items and times."""
    rows = [(user, item, time) for user, events in histories.items() for item, time in events]
    table = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return Dataset.from_tables(table, time_format="seconds")


def test_answers_are_told_apart_by_the_time_since_the_event_before() -> None:
    start, lag = 1_700_000_000.0, {"0": 0, "1": 1, "2": 59, "3": 60, "4": 3599, "5": 3600, "6": 86399, "7": 86400}
    data = log_of({user: [("a", start), ("b", start + 9), ("c", start + 9 + gap)] for user, gap in lag.items()})
    split = Split.leave_last_out(data)
    recs = pl.DataFrame({"user_id": ["1", "4", "7"], "item_id": ["c", "c", "c"], "rank": [1, 1, 1]})
    result = judged(recs, split.test, split.train)
    assert {name: value for (by, name), value in result.items() if by == "gap before the answer"} == {
        "the same time": (1, 0.0),  # 0
        "under a minute": (2, 0.5),  # 1 and 59
        "under an hour": (2, 0.5),  # 60 and 3599
        "under a day": (2, 0.0),  # 3600 and 86399
        "a day or more": (1, 1.0),  # 86400
    }


def test_each_of_several_answers_has_its_own_gap() -> None:
    data = log_of({"x": [("a", 1e9), ("b", 1e9), ("c", 1e9 + 7e3), ("d", 1e9 + 7e3), ("e", 1e9 + 9e5)]})
    events = data.events
    fold = Fold(Histories.from_events(events[:2]), events[3:].select("user_id", "item_id"), events=events[3:])
    recs = pl.DataFrame({"user_id": ["x", "x"], "item_id": ["d", "e"], "rank": [2, 1]})
    result = judged(recs, fold, data)
    assert {name: value for (by, name), value in result.items() if by == "gap before the answer"} == {
        "under a day": (1, pytest.approx(1 / np.log2(3))),
        "a day or more": (1, 1.0),
    }


def test_a_gap_is_unknown_without_an_event_before_or_a_time() -> None:
    data = log_of({"x": [("a", 1e9)], "y": [("a", 1e9), ("b", 1e9 + 1)], "z": [("a", 1e9), ("b", 1e9)]})
    events = data.events.with_columns(pl.col("timestamp").cast(pl.Float64))
    events = events.with_columns(
        pl.when(pl.arange(pl.len()) == 1).then(np.nan).otherwise("timestamp").alias("timestamp")
    )
    rows = [0, 2, 4]  # the answers of x, y and z; x has no history, the last event of y's has no time
    known = Histories.from_events(events[[1, 3]], users=["x", "y", "z"])
    fold = Fold(known, events[rows].select("user_id", "item_id"), events=events[rows])
    result = judged(pl.DataFrame({"user_id": ["x"], "item_id": ["a"], "rank": [1]}), fold, data)
    gaps = {name: value for (by, name), value in result.items() if by == "gap before the answer"}
    assert gaps == {"the same time": (1, 0.0), "unknown": (2, 0.5)}


def test_an_order_is_no_time() -> None:
    events = {"user_id": list("xxxyyy"), "item_id": list("abcbca")}
    split = Split.leave_last_out(Dataset.from_tables(events))
    assert split.train.order_only
    recs = pl.DataFrame({"user_id": ["x"], "item_id": ["c"], "rank": [1]})
    assert {by for by, _ in judged(recs, split.test, split.train)} == {"history length", "answer", "transition"}


def test_answers_are_told_apart_by_whether_training_has_the_transition() -> None:
    seen = log_of({"1": [("a", 1), ("b", 2), ("c", 3)], "2": [("d", 4), ("a", 5)], "3": [("c", 6), ("e", 7)]})
    # Next to each other in training: ab, bc, da, ce. Not: ac (one between), ad (across two users), ba (turned).
    histories = Histories.of({"p": ["e", "a"], "q": ["a"], "r": ["a"], "s": ["b"], "t": [], "u": ["zz"]})
    answers = pl.DataFrame({"user_id": list("ppqrstu"), "item_id": list("bcdcabb")})
    recs = pl.DataFrame({"user_id": list("pqsu"), "item_id": list("bdcb"), "rank": [1, 1, 1, 1]})
    result = judged(recs, Fold(histories, answers), seen)
    assert {name: value for (by, name), value in result.items() if by == "transition"} == {
        "seen in training": (1, 1.0),  # p: b
        "not seen in training": (5, pytest.approx(2 / 5)),  # p: c, q: d (a hit), r: c, s: a, u: b (a hit)
        "no event before": (1, 0.0),  # t
    }


def test_parts_add_up_to_the_whole() -> None:
    split = Split.leave_last_out(toy_films())
    report = evaluate({"popularity": PopularityRecommender().fit(split.train)}, split)
    (result,) = report.results
    for by in ("history length", "answer", "gap before the answer", "transition"):
        parts = [part for part in result.slices if part.by == by]
        assert sum(part.users for part in parts) == result.users
        total = sum(part.users * part.interval.mean for part in parts)
        assert total / result.users == pytest.approx(result.metrics["ndcg@10"].mean)
    drawn = plain(report.__rich__())
    page = report.to_html()
    for part in result.slices:
        assert f"{part.by}: {part.name}" in drawn
        assert f"{part.by}: {part.name}" in page
    assert Report.from_dict(report.to_dict()).results[0].slices == result.slices


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


def test_a_recipe_with_other_settings_is_another_one_though_its_name_is_the_same() -> None:
    split = Split.leave_last_out(toy_films(n_items=12, n_users=30))
    models: dict[str, Recommender] = {
        f"{kind.kind} {seed}": kind(Recipe.of({"name": "mine", "model": kind.kind, "seed": seed})).fit(split.train)
        for kind in (NextFilm, RecentRecommender)
        for seed in (1, 2)
    }
    report = evaluate(models, split)
    first, second = (f"mine ({', '.join(list(models)[n : n + 2])})" for n in (0, 2))
    assert [group.recipe for group in report.seeds] == [first, second]
    row = next(row for row in report.seeds_compared if row.metric == "ndcg@10")
    assert (row.model, row.against) == (first, second)
    means = [report.results[n].metrics["ndcg@10"].mean for n in (0, 2)]
    assert row.difference.mean == pytest.approx(means[0] - means[1])
    assert row.difference.mean > 0


def test_a_terminal_shows_the_slices_of_the_first_models() -> None:
    split = Split.leave_last_out(toy_films())
    model = from_recipe(Recipe(model="popularity")).fit(split.train)
    report = evaluate({f"model-{n}": model for n in range(7)}, split)
    drawn = plain(slice_table(report.results))
    assert "model-4" in drawn
    assert "model-5" not in drawn
    assert "and 2 more in report.html" in drawn
    assert "more in" not in plain(slice_table(report.results[:5]))
