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


def test_the_correction_makes_up_for_the_draw() -> None:
    """Without logQ popular items, drawn more often, would be pushed down too much."""
    logits, targets = logits_and_targets()
    weights = negative_weights(COUNTS)
    logits[:, COUNTS == 0] = -1e4  # never drawn, so out of the exact sum too
    true = logits.gather(1, targets[:, None])[:, 0]
    exact = float(catalog_cross_entropy(logits, targets))
    torch.manual_seed(1)
    drawn = [torch.multinomial(weights, 5, replacement=False) for _ in range(3000)]
    means = {}
    for name, log_q in (("corrected", log_expected(weights, 5)), ("plain", torch.zeros(9))):
        rows = [sampled_cross_entropy(true, logits[:, n], targets, negatives=n, log_q=log_q) for n in drawn]
        means[name] = float(torch.stack(rows).mean())
    assert abs(means["corrected"] - exact) < 0.5 * abs(means["plain"] - exact)


def test_expected_numbers_are_those_of_the_draw() -> None:
    weights = negative_weights(COUNTS)
    assert float(weights.sum()) == pytest.approx(1)
    assert float(weights[-1]) == 0
    torch.manual_seed(2)
    drawn = torch.zeros(9)
    for _ in range(4000):
        drawn[torch.multinomial(weights, 3, replacement=False)] += 1 / 4000
    # Exact for draws with replacement; without, the popular come a little less often.
    torch.testing.assert_close(log_expected(weights, 3).exp()[2:8], drawn[2:8], atol=0.1, rtol=0.25)


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
