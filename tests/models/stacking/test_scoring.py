"""What a stack adds up without writing out every rule's scores is what it would add up with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmrec import Histories, Recipe, Split
from llmrec.arrays import Float32s
from llmrec.data import Sequences
from llmrec.models import Recommender, from_recipe
from llmrec.models.sparse_scores import SparseScores
from llmrec.models.stacking import features, scoring
from llmrec.models.stacking.features import contexts_of, feature_of, known_by, unit_of
from llmrec.models.stacking.recommender import SCORES_OF_A_PART, StackedRecommender
from llmrec.models.stacking.scoring import WeightedRule, total_of

RULES = ["item-knn", "linear", "markov", "recent", "popularity", "repeat-last"]


@pytest.fixture(scope="module")
def stack(toy_split: Split) -> StackedRecommender:
    members = [from_recipe(Recipe.load(name)).fit(toy_split.train) for name in RULES]
    return StackedRecommender.of(members, toy_split)


def added_up(stack: StackedRecommender, histories: Histories) -> Float32s:
    """Every member's scores, its feature of all items, and its weight."""
    sequences, total = Sequences.encode(histories, stack.catalog), np.float32(0)
    for n, member in enumerate(stack.members):
        scores = member.score(histories)
        contexts = contexts_of([known_by(member, scores.max(axis=1))], sequences, stack._counts)
        total = total + stack.logit.of_feature(n).multipliers(contexts) * feature_of(member, scores)
    return np.asarray(total)


def test_scores_are_those_of_members_added_up(stack: StackedRecommender, toy_split: Split) -> None:
    known = toy_split.test.histories
    users = {user: list(known.items(n)) for n, user in enumerate(known.user_ids)}
    histories = Histories.of({"none": [], "twice": ["3", "4", "3"], **users})
    expected = added_up(stack, histories)
    np.testing.assert_allclose(stack.score(histories), expected, rtol=1e-6, atol=1e-6)
    alone = np.concatenate([stack.score(histories[n : n + 1]) for n in range(len(histories))])
    np.testing.assert_allclose(alone, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1e-6, 1e-3, 1.0])
@pytest.mark.parametrize("n_units", [1, 3, 30])
def test_features_of_what_is_common(scale: float, n_units: int, rule: Recommender) -> None:
    """Small as a tie-breaker or large as popularity; divided by few numbers, or by one for each history."""
    draw, n, n_items = np.random.default_rng(0), 30, 200
    common = (scale * draw.integers(5, size=n_items)).astype(np.float32)
    codes = np.concatenate([draw.choice(n_items, 7, replace=False) for _ in range(n)])
    values = np.repeat(1 + np.arange(n) % n_units, 7).astype(np.float32) * 5
    values[1::2] *= -1
    scores = SparseScores(common, np.arange(0, 7 * n + 1, 7), codes, values)
    weights = draw.normal(size=n).astype(np.float32)
    total = total_of([WeightedRule(scores, unit_of(scores.highest()), weights)], n, n_items)
    expected = weights[:, None] * feature_of(rule, scores.dense())
    np.testing.assert_allclose(total, expected, rtol=1e-6, atol=1e-6)


@pytest.fixture(scope="module")
def rule(stack: StackedRecommender) -> Recommender:
    return stack.members[0]


def test_a_member_without_weight_is_not_asked(toy_split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"sequence.dim": 8, "train.epochs": 1, "train.schedule": "constant"}
    recipes = Recipe.load("gru", set=quick), Recipe.load("markov"), Recipe.load("lstm", set=quick)
    members = [from_recipe(recipe).fit(toy_split.train) for recipe in recipes]
    stack = StackedRecommender.of(members, toy_split)
    stack.logit.weights[1:] = 0
    for member in members[1:]:
        monkeypatch.setattr(type(member), "_score", lambda *_: pytest.fail("asked"))
        monkeypatch.setattr(type(member), "sparse_scores", lambda *_: pytest.fail("asked"), raising=False)
    assert stack.score(toy_split.test.histories).std() > 0


def test_a_large_catalog_is_ranked_in_parts(
    stack: StackedRecommender, toy_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, sizes = stack.recommend(toy_split.test.histories, 5), list[int]()
    assert features.rows_at_once(SCORES_OF_A_PART, 200_000) * 200_000 * SCORES_OF_A_PART * 4 <= 2**28
    monkeypatch.setattr(features, "SCORES_AT_ONCE", 1)

    def noted(*arguments: Any) -> Float32s:
        total: Float32s = total_of(*arguments)
        sizes.append(len(total))
        return total

    monkeypatch.setattr(scoring, "total_of", noted)
    assert stack.recommend(toy_split.test.histories, 5).equals(whole)
    assert max(sizes) == 16 < len(toy_split.test.histories) == sum(sizes)
