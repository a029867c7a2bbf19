"""The experiment on generated titles: whom it asks, what it compares, and that no ranking is made twice."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from eval.experiments.generative import Outcome, Ranking, evaluated_once, newest, rankings, row_of, sample
from llmrec import Recipe, Split
from llmrec.data import toy_films
from llmrec.models import Fusion, LLMRecommender, MarkovRecommender, PopularityRecommender


@pytest.fixture(scope="module")
def split() -> Split:
    return Split.leave_last_out(newest(toy_films(n_items=12, n_users=20, length=8), 5))


def test_the_newest_events_of_each_user() -> None:
    data = toy_films(n_items=12, n_users=3, length=8)
    part = newest(data, 5)
    whole, kept = data.histories, part.histories
    assert [kept.items(n) for n in range(3)] == [whole.items(n)[-5:] for n in range(3)]


def test_the_same_users_are_asked_each_time(split: Split) -> None:
    part = sample(split.test, 7)
    users = list(part.histories.user_ids)
    assert users == list(sample(split.test, 7).histories.user_ids)
    assert len(users) == 7
    assert set(part.answers["user_id"]) == set(users)
    assert len(sample(split.test, 99).histories) == 20


def test_a_ranking_is_evaluated_once(split: Split, tmp_path: Path) -> None:
    rules = MarkovRecommender().fit(split.train), PopularityRecommender().fit(split.train)
    made = []

    def make() -> Fusion:
        made.append(1)
        return Fusion(*rules, 0.25)

    ranking = Ranking("a run", "vectors and titles", 9, make)
    outcome = evaluated_once(ranking, split.test, tmp_path)
    assert (len(outcome.ndcg), outcome.weight) == (9, 0.25)
    assert evaluated_once(ranking, split.test, tmp_path) == outcome
    assert made == [1]
    assert row_of(ranking, outcome, None)["ranked_by"] == "vectors and titles, 25% titles"


def test_every_ranking_of_a_run_answers_the_same_users(tmp_path: Path, tiny_recipe: Callable[..., Recipe]) -> None:
    split = Split.leave_last_out(toy_films(n_items=6, n_users=4, length=4))
    model = LLMRecommender(tiny_recipe("text", "train.epochs=1", "train.title_loss=1", "history.max_items=2"))
    models = iter([(1.0, model.fit(split.train))])
    args = Namespace(beams=[3], sample=2, prompted=1)
    planned = list(rankings(models, split, sample(split.valid, 2), args))
    assert [ranking.n_users for ranking in planned] == [2, 2, 2, 2, 1, 1]
    by_name = {ranking.name: evaluated_once(ranking, split.test, tmp_path) for ranking in planned[:4]}
    assert {len(outcome.ndcg) for outcome in by_name.values()} == {2}
    assert by_name["vectors and titles"].weight is not None


def test_a_ranking_is_compared_with_the_vectors_of_its_run() -> None:
    ranking = Ranking("a run", "titles, exactly", 30, MarkovRecommender)
    vectors = Outcome([1.0, 0.5] * 15, [1.0] * 30, 3.0, 6.0)
    titles = Outcome([0.5, 0.0] * 15, [1.0, 0.0] * 15, 3.0, 6.0)
    row = row_of(ranking, titles, vectors)
    assert row["ndcg@10"]["mean"] == pytest.approx(np.mean(titles.ndcg))
    assert row["ndcg@10_minus_vectors"]["mean"] == pytest.approx(-0.5)
    assert row["p_value"] < 0.001
    assert (row["processor_ms"], row["ms"]) == (100, 200)
    assert "p_value" not in row_of(ranking, titles, None)
