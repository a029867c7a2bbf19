"""What a stack adds up without writing out every rule's scores is what it would add up with them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from llmrec import Histories, Recipe, Split
from llmrec.arrays import Float32s
from llmrec.data import Sequences
from llmrec.models import MarkovRecommender, PopularityRecommender, Recommender, from_recipe
from llmrec.models.sparse_scores import SparseScores
from llmrec.models.stacking import features, scoring
from llmrec.models.stacking.conditional_logit import ConditionalLogit
from llmrec.models.stacking.features import N_CONTEXTS, contexts_of, feature_of, knots_of, known_by, unit_of
from llmrec.models.stacking.recommender import SCORES_OF_A_PART, StackedRecommender
from llmrec.models.stacking.scoring import WeightedRule, total_of

RULES = ["item-knn", "linear", "markov", "recent", "popularity", "repeat-last"]


@pytest.fixture(scope="module")
def stack(toy_split: Split) -> StackedRecommender:
    quick = {"sequence.dim": 8, "train.epochs": 1, "train.schedule": "constant"}
    recipes = [*(Recipe.load(name) for name in RULES), Recipe.load("gru", set=quick)]
    made = StackedRecommender.of([from_recipe(recipe).fit(toy_split.train) for recipe in recipes], toy_split)
    made.logit.hinges[:] = np.random.default_rng(0).normal(size=made.logit.hinges.shape)
    return made


def logit_of(rule: Recommender) -> ConditionalLogit:
    """With hinges of either sign."""
    contexts = np.ones((1, 1, N_CONTEXTS), dtype=np.float32)
    logit = ConditionalLogit.prior(np.ones(1), contexts, knots_of([rule]))
    logit.hinges[:] = [[0.7, -1.1]]
    return logit


def added_up(stack: StackedRecommender, histories: Histories) -> Float32s:
    """Every member's scores, its feature of all items, and its weight."""
    sequences = Sequences.encode(histories, stack.catalog)
    total = np.zeros((len(histories), len(stack.catalog)), np.float32)
    for n, member in enumerate(stack.members):
        scores = member.score(histories)
        contexts = contexts_of([known_by(member, scores.max(axis=1))], sequences, stack._counts)
        part, feature = stack.logit.of_feature(n), feature_of(member, scores)
        total = total + part.multipliers(contexts) * feature + part.bent(feature)
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
    logit, feature = logit_of(rule), feature_of(rule, scores.dense())
    total = total_of([WeightedRule(scores, unit_of(scores.highest()), weights, logit)], n, n_items)
    expected = weights[:, None] * feature + logit.bent(feature)
    np.testing.assert_allclose(total, expected, rtol=1e-6, atol=1e-6)


def rules_of(common: Float32s, values: Float32s, codes: list[int], weights: Float32s) -> WeightedRule:
    """Histories of which each has these own items, with values [n, n_own]."""
    n, n_own = values.shape
    offsets = np.arange(0, n * n_own + 1, n_own)
    scores = SparseScores(common, offsets, np.tile(np.array(codes, dtype=np.int64), n), values.reshape(-1))
    return WeightedRule(scores, unit_of(scores.highest()), weights, logit_of(PopularityRecommender()))


def test_ties_stay_ties_and_a_history_alone_has_the_same_sums() -> None:
    """To the last bit: of equals the catalog's order decides, not how many people are asked about at once."""
    draw, n, n_items = np.random.default_rng(0), 40, 16_859
    rules = []
    for scale in (1e-6, 1e-3, 0.2, 1.0, 3.0, 20.0):
        values = 1 + draw.integers(2, size=(n, 3)).astype(np.float32)
        values[:, 0] = scale  # as it does for all
        weights = draw.normal(size=n).astype(np.float32)
        rules.append(rules_of(np.full(n_items, scale, dtype=np.float32), values, [0, 5, 9], weights))
    total = total_of(rules, n, n_items)
    others = np.delete(total, [5, 9], axis=1)
    np.testing.assert_array_equal(others, np.broadcast_to(others[:, -1:], others.shape))
    for row in range(n):
        alone = [
            WeightedRule(
                SparseScores(one.scores.common, np.array([0, 3]), one.scores.codes[part], one.scores.values[part]),
                one.unit[[row]],
                one.weights[[row]],
                one.logit,
            )
            for one in rules
            for part in [slice(3 * row, 3 * row + 3)]
        ]
        np.testing.assert_array_equal(total_of(alone, 1, n_items)[0], total[row])


def test_a_rule_that_knows_nothing_adds_nothing() -> None:
    """Neither where it scores 0 for all, nor where all it scores otherwise is liked less by this history."""
    weights = np.array([5.0], dtype=np.float32)
    silent = rules_of(np.zeros(4, dtype=np.float32), np.array([[0.0]], dtype=np.float32), [1], weights)
    np.testing.assert_array_equal(total_of([silent], 1, 4), np.zeros((1, 4)))
    popular, disliked = np.array([0.6, 0.4, 0, 0], dtype=np.float32), np.array([[-1.0, -2.0]], dtype=np.float32)
    against = rules_of(popular, disliked, [0, 1], weights)
    known = rules_of(popular, np.array([[2.0, 1.0]], dtype=np.float32), [0, 1], weights)
    np.testing.assert_allclose(total_of([known, against], 1, 4), total_of([known], 1, 4), atol=3e-6)


class Reversed(PopularityRecommender):
    """Likes what nobody likes."""

    def _score(self, sequences: Sequences) -> Float32s:
        return 100 - super()._score(sequences)


class Loud(MarkovRecommender):
    """Scores by the one method that everything else asks for."""

    def score(self, histories: Any) -> Float32s:
        return super().score(histories)[:, ::-1]


@pytest.mark.parametrize("kind", [Reversed, Loud])
def test_a_rule_that_scores_in_a_way_of_its_own_is_asked_for_it(
    kind: type[Recommender], toy_split: Split, stack: StackedRecommender
) -> None:
    changed = StackedRecommender.of([kind().fit(toy_split.train), stack.members[0]], toy_split)
    changed.logit.weights[0, 0] = 1
    np.testing.assert_allclose(
        changed.score(toy_split.test.histories), added_up(changed, toy_split.test.histories), rtol=1e-6, atol=1e-6
    )


def test_nobody_is_ranked_as_nobody(stack: StackedRecommender) -> None:
    codes, scores = stack._ranked(Histories.of({}), 5, exclude_seen=True)
    assert codes.shape == scores.shape == (0, 5)


@pytest.fixture(scope="module")
def rule(stack: StackedRecommender) -> Recommender:
    return stack.members[0]


def test_a_member_without_weight_is_not_asked(toy_split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"sequence.dim": 8, "train.epochs": 1, "train.schedule": "constant"}
    recipes = Recipe.load("gru", set=quick), Recipe.load("markov"), Recipe.load("lstm", set=quick)
    members = [from_recipe(recipe).fit(toy_split.train) for recipe in recipes]
    stack = StackedRecommender.of(members, toy_split)
    stack.logit.weights[1:] = stack.logit.hinges[1:] = 0
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
