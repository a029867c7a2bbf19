"""Losses: sampled softmax against the exact one, and which states predict which targets."""

from __future__ import annotations

import math

import pytest
import torch

from llmrec.training.losses import (
    EXACT_UP_TO,
    NEGATIVES,
    catalog_cross_entropy,
    log_expected,
    negative_weights,
    negatives_of,
    predictions_of,
    sampled_cross_entropy,
)

COUNTS = torch.tensor([50.0, 20.0, 10.0, 10.0, 5.0, 3.0, 1.0, 1.0, 0.0])


def logits_and_targets() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(6, 9, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 4, 7])


def test_the_loss_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.bfloat16)  # summed in full precision
    each = [math.log(math.exp(2) + 2) - 2, math.log(math.e + 2)]
    targets = torch.tensor([0, 2])
    assert float(catalog_cross_entropy(logits, targets)) == pytest.approx(sum(each) / 2, rel=1e-5)
    weighted = catalog_cross_entropy(logits, targets, torch.tensor([1.0, 3.0]))
    assert float(weighted) == pytest.approx((each[0] + 3 * each[1]) / 4, rel=1e-5)


def test_with_every_item_drawn_it_is_exact() -> None:
    logits, targets = logits_and_targets()
    everything = torch.arange(9)
    true = logits.gather(1, targets[:, None])[:, 0]
    loss = sampled_cross_entropy(true, logits, targets, negatives=everything, log_q=torch.zeros(9))
    assert float(loss) == pytest.approx(float(catalog_cross_entropy(logits, targets)), abs=1e-5)


@pytest.mark.parametrize("drawn", [3, 5, 7])
def test_the_correction_makes_up_for_the_draw(drawn: int) -> None:
    """Scores that are right stay where they are; without logQ popular items, drawn more often, are pushed down."""
    shares, every = COUNTS[:-1] / COUNTS.sum(), torch.arange(8)
    weights, right = negative_weights(COUNTS[:-1]), shares.log().requires_grad_()
    torch.manual_seed(1)
    draws = [torch.multinomial(weights, drawn, replacement=False) for _ in range(1000)]
    slopes = {}
    for name, log_q in (("corrected", log_expected(weights, drawn)), ("plain", torch.zeros(8))):
        losses = [
            sampled_cross_entropy(
                right, right[one].expand(8, -1), every, negatives=one, log_q=log_q, weights=shares
            )
            for one in draws
        ]
        slopes[name] = torch.autograd.grad(torch.stack(losses).mean(), right)[0].abs().sum()
    assert float(slopes["corrected"]) < 0.25 * float(slopes["plain"])


@pytest.mark.parametrize("drawn", [3, 60, 180])
def test_expected_numbers_are_those_of_the_draw(drawn: int) -> None:
    """No item is drawn twice: once the popular ones are, the others come more often than their weights say."""
    counts = torch.cat([torch.tensor([500.0, 100.0, 50.0]), torch.ones(200), torch.zeros(1)])
    weights = negative_weights(counts)
    assert float(weights.sum()) == pytest.approx(1)
    expected = log_expected(weights, drawn).exp()
    assert float(weights[-1]) == float(expected[-1].round(decimals=6)) == 0
    assert float(expected.sum()) == pytest.approx(drawn, rel=1e-4)
    torch.manual_seed(2)
    numbers = torch.zeros(204)
    for _ in range(4000):
        numbers[torch.multinomial(weights, drawn, replacement=False)] += 1 / 4000
    torch.testing.assert_close(expected[:3], numbers[:3], atol=0.03, rtol=0)
    assert float(expected[3:].sum()) == pytest.approx(float(numbers[3:].sum()), rel=0.05)


def test_a_position_is_not_its_own_negative() -> None:
    logits, targets = logits_and_targets()
    true = logits.gather(1, targets[:, None])[:, 0]
    negatives = torch.tensor([0, 1])
    loss = sampled_cross_entropy(true[:1], logits[:1, :2], targets[:1], negatives=negatives, log_q=torch.zeros(9))
    by_hand = -torch.log_softmax(logits[0, :2], 0)[0]
    assert float(loss) == pytest.approx(float(by_hand), abs=1e-5)


def test_small_catalogs_are_exact_and_large_ones_sampled() -> None:
    assert negatives_of(torch.ones(EXACT_UP_TO), None) is None
    assert negatives_of(torch.ones(EXACT_UP_TO + 1), None) == NEGATIVES
    assert negatives_of(torch.ones(100), 20) == 20
    assert negatives_of(torch.ones(100), 200) is None
    assert negatives_of(COUNTS, 8) is None  # one of the nine has no event


def test_only_strictly_earlier_items_are_visible() -> None:
    """Target 2 is in the basket of target 1: two states predict it, and one item is visible to it either way."""
    targets = torch.tensor([[-100, 4, 5, -100]])
    context_positions = torch.tensor([[[0, -1], [1, -1], [1, 2], [3, -1]]])
    predictions = predictions_of(targets, context_positions)
    assert predictions.positions.tolist() == [1, 2, 2]
    assert predictions.context_positions.tolist() == [1, 1, 2]
    assert predictions.n_visible.tolist() == [1, 1, 1]
    assert predictions.in_basket.tolist() == [False, False, True]
    none_earlier = predictions_of(targets, torch.tensor([[[0, -1], [-1, 1], [-1, 2], [3, -1]]]))
    assert (none_earlier.context_positions.tolist(), none_earlier.n_visible.tolist()) == ([1, 2], [0, 0])
    plain = predictions_of(targets, None)
    assert plain.context_positions.tolist() == plain.n_visible.tolist() == [1, 2]
    assert not plain.in_basket.any()
