"""The weights of a stacked model: recovered, held out, and drawn to their prior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llmrec.models.stacking.conditional_logit import INTERACTION_PENALTIES, Choices, ConditionalLogit, ndcg_of

MANY = 4000


def drawn(weights: list[float], slope: float = 0.0, *, n: int = MANY, seed: int = 0) -> Choices:
    """Choices made by known weights; the first one's grows by ``slope`` with the second context."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(n, len(weights), 20)).astype(np.float32)
    contexts = np.ones((n, len(weights), 2), dtype=np.float32)
    contexts[:, :, 1] = draw.normal(size=n)[:, None]
    multipliers = np.array(weights) + np.zeros((n, 1))
    multipliers[:, 0] += slope * contexts[:, 0, 1]
    logits = np.einsum("nf,nfm->nm", multipliers, features) + draw.gumbel(size=(n, 20))
    targets = np.zeros((n, 20), dtype=np.float32)
    targets[np.arange(n), logits.argmax(axis=1)] = 1
    return Choices(features, contexts, np.zeros((n, 20), dtype=np.float32), targets)


def logit_for(choices: Choices, *weights: float) -> ConditionalLogit:
    return ConditionalLogit.prior(np.array(weights), choices.contexts)


def test_known_weights_are_recovered() -> None:
    choices = drawn([1.0, 0.5, 0.0], slope=0.4)
    fitted, _ = logit_for(choices, 0.0, 0.0, 0.0).tuned(choices, seed=0)
    np.testing.assert_allclose(fitted.weights[:, 0], [1.0, 0.5, 0.0], atol=0.08)
    np.testing.assert_allclose(fitted.weights[:, 1], [0.4, 0.0, 0.0], atol=0.08)


def test_few_queries_change_little() -> None:
    few, many = drawn([0.0, 1.0], n=3), drawn([0.0, 1.0])
    changes = [abs(logit_for(one, 1.0, 0.0).fitted(one, 3.0).weights[:, 0] - [1.0, 0.0]) for one in (few, many)]
    assert (changes[0] < 0.45).all()
    assert (changes[1] > 0.8).all()


def test_no_queries_change_nothing() -> None:
    choices = drawn([0.0, 1.0], n=4).take(np.array([], dtype=np.int64))
    ones = np.ones((2, 2))
    weights, nowhere = np.array([[1.0, 0.0], [0.0, 0.0]]), np.zeros((2, 0))
    start = ConditionalLogit(weights, 0 * ones, ones, -ones, ones, nowhere, nowhere)
    np.testing.assert_array_equal(start.fitted(choices, 3.0).weights, start.weights)


def test_a_feature_of_noise_gets_no_weight() -> None:
    choices = drawn([1.0, 0.0])
    fitted, _ = logit_for(choices, 1.0, 0.0).tuned(choices, seed=0)
    assert abs(fitted.weights[1, 0]) < 0.06


def test_cross_validated_scores_are_by_a_logit_of_other_queries() -> None:
    """A query's own answer must not have taken part: with one feature per query nothing can be known of it."""
    n = 40
    choices = drawn([0.0], n=n)
    features = np.zeros((n, n, 20), dtype=np.float32)
    for row in range(n):
        features[row, row] = choices.targets[row]  # of query, of feature
    alone = Choices(features, np.ones((n, n, 1), dtype=np.float32), choices.log_weight, choices.targets)
    fitted, held_out = ConditionalLogit.prior(np.zeros(n), alone.contexts).tuned(alone, seed=0)
    assert (fitted.scores(alone)[alone.targets > 0] > 0.05).all()
    np.testing.assert_array_equal(held_out, 0)


def test_the_gradient_is_that_of_the_likelihood() -> None:
    choices = drawn([1.0, 0.5], slope=0.4, n=50)
    start = logit_for(choices, 0.3, 0.1)
    best = start.fitted(choices, 3.0)

    def value(weights: np.ndarray) -> float:
        moved = replace(best, weights=weights)
        change = weights - start.weights
        return float(moved.log_likelihood(choices) * len(choices) - (3.0 * change**2).sum())

    for cell in np.ndindex(best.weights.shape):
        for step in (-0.05, 0.05):
            weights = best.weights.copy()
            weights[cell] += step
            assert value(weights) < value(best.weights)


def test_a_weight_that_changes_at_a_knot_is_recovered() -> None:
    """As are a weight that does not change, and where it would: in scores, too."""
    plain, knots = drawn([1.0, 1.0]), np.ones((2, 1))
    draw = np.random.default_rng(1)
    features = plain.features * 1.5
    bent = features[:, 0] + 2 * np.maximum(features[:, 0] - 1, 0) + features[:, 1]
    targets = np.zeros_like(plain.targets)
    targets[np.arange(MANY), (bent + draw.gumbel(size=bent.shape)).argmax(axis=1)] = 1
    choices = replace(plain, features=features, targets=targets)
    fitted, _ = ConditionalLogit.prior(np.zeros(2), choices.contexts, knots).tuned(choices, seed=0)
    np.testing.assert_allclose(fitted.hinges, [[2.0], [0.0]], atol=0.3)
    np.testing.assert_allclose(fitted.weights[:, 0], [1.0, 1.0], atol=0.15)
    np.testing.assert_allclose(fitted.top_weights(choices.contexts), [3.0, 1.0], atol=0.25)
    multipliers = fitted.multipliers(choices.contexts)[:, :, None]
    by_hand = sum(multipliers[:, n] * features[:, n] + fitted.of_feature(n).bent(features[:, n]) for n in range(2))
    np.testing.assert_allclose(fitted.scores(choices), by_hand, rtol=1e-4, atol=1e-4)
    straight, _ = ConditionalLogit.prior(np.zeros(2), choices.contexts).tuned(choices, seed=0)
    assert fitted.log_likelihood(choices) > straight.log_likelihood(choices) + 0.02


def test_of_few_queries_no_weight_changes_at_a_knot() -> None:
    choices = drawn([1.0, 0.5], n=60)
    knots = np.zeros((2, 1))
    fitted, _ = ConditionalLogit.prior(np.array([1.0, 0.0]), choices.contexts, knots).tuned(choices, seed=0)
    assert np.abs(fitted.hinges).max() < 0.2


def test_one_alternative_stands_for_many() -> None:
    """Half of the wrong alternatives, each standing for two, give the weights that all of them give."""
    choices = drawn([0.5])
    wrong = np.argsort(choices.targets, axis=1)[:, :19]
    columns = np.concatenate([choices.targets.argmax(axis=1)[:, None], wrong[:, :10]], axis=1)
    rows = np.arange(MANY)[:, None]
    log_weight = np.full(columns.shape, np.log(1.9), dtype=np.float32)
    log_weight[:, 0] = 0
    sampled = Choices(
        np.take_along_axis(choices.features, columns[:, None], axis=2),
        choices.contexts,
        log_weight,
        choices.targets[rows, columns],
    )
    fitted = logit_for(sampled, 0.0).fitted(sampled, INTERACTION_PENALTIES[0])
    np.testing.assert_allclose(fitted.weights[0, 0], 0.5, atol=0.05)


def test_a_slope_ends_where_the_queries_of_the_fit_do() -> None:
    choices = drawn([1.0], slope=0.4)
    fitted, _ = logit_for(choices, 0.0).tuned(choices, seed=0)
    largest = choices.contexts[:, 0, 1].max()
    far = np.array([[[1.0, largest]], [[1.0, 100.0]]], dtype=np.float32)
    at_the_end, beyond = fitted.multipliers(far)[:, 0]
    assert beyond == at_the_end > 1.5


def test_what_is_no_alternative_changes_nothing() -> None:
    choices = drawn([1.0, 0.5], n=200)
    padded = replace(
        choices,
        features=np.pad(choices.features, [(0, 0), (0, 0), (0, 2)], constant_values=7.0),
        log_weight=np.pad(choices.log_weight, [(0, 0), (0, 2)], constant_values=-np.inf),
        targets=np.pad(choices.targets, [(0, 0), (0, 2)]),
    )
    plain, _ = logit_for(choices, 0.0, 0.0).tuned(choices, seed=0)
    same, _ = logit_for(padded, 0.0, 0.0).tuned(padded, seed=0)
    np.testing.assert_allclose(same.weights, plain.weights, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("right", "expected"), [([0], 1.0), ([2], 0.5), ([0, 2], 1.5 / (1 + 1 / np.log2(3)))])
def test_ndcg_by_hand(right: list[int], expected: float) -> None:
    scores, targets = np.array([[3.0, 2.0, 1.0]], dtype=np.float32), np.zeros((1, 3), dtype=np.float32)
    targets[0, right] = 1
    assert ndcg_of(scores, targets) == pytest.approx([expected])
