"""Sampled softmax: equal to the exact one where everything is drawn, and right on average."""

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
    read_at,
    sampled_cross_entropy,
)

COUNTS = torch.tensor([50.0, 20.0, 10.0, 10.0, 5.0, 3.0, 1.0, 1.0, 0.0])


def world() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(6, 9, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 4, 7])


def test_the_loss_by_hand() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.bfloat16)  # summed in full precision
    each = [math.log(math.exp(2) + 2) - 2, math.log(math.e + 2)]
    targets = torch.tensor([0, 2])
    assert float(catalog_cross_entropy(logits, targets)) == pytest.approx(sum(each) / 2, rel=1e-5)
    found = catalog_cross_entropy(logits, targets, torch.tensor([1.0, 3.0]))
    assert float(found) == pytest.approx((each[0] + 3 * each[1]) / 4, rel=1e-5)


def test_with_every_item_drawn_it_is_exact() -> None:
    logits, targets = world()
    everything = torch.arange(9)
    own = logits.gather(1, targets[:, None])[:, 0]
    found = sampled_cross_entropy(own, logits, targets, negatives=everything, log_q=torch.zeros(9))
    assert float(found) == pytest.approx(float(catalog_cross_entropy(logits, targets)), abs=1e-5)


def test_the_correction_makes_up_for_the_draw() -> None:
    """Without logQ popular items, drawn more often, would be pushed down too much."""
    logits, targets = world()
    weights = negative_weights(COUNTS)
    logits[:, COUNTS == 0] = -1e4  # never drawn, so out of the exact sum too
    own = logits.gather(1, targets[:, None])[:, 0]
    exact = float(catalog_cross_entropy(logits, targets))
    torch.manual_seed(1)
    drawn = [torch.multinomial(weights, 5, replacement=False) for _ in range(3000)]
    means = {}
    for name, log_q in (("corrected", log_expected(weights, 5)), ("plain", torch.zeros(9))):
        rows = [sampled_cross_entropy(own, logits[:, n], targets, negatives=n, log_q=log_q) for n in drawn]
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
    logits, targets = world()
    own = logits.gather(1, targets[:, None])[:, 0]
    negatives = torch.tensor([0, 1])
    found = sampled_cross_entropy(own[:1], logits[:1, :2], targets[:1], negatives=negatives, log_q=torch.zeros(9))
    by_hand = -torch.log_softmax(logits[0, :2], 0)[0]
    assert float(found) == pytest.approx(float(by_hand), abs=1e-5)


def test_small_catalogs_are_exact_and_large_ones_sampled() -> None:
    assert negatives_of(torch.ones(EXACT_UP_TO), None) is None
    assert negatives_of(torch.ones(EXACT_UP_TO + 1), None) == NEGATIVES
    assert negatives_of(torch.ones(100), 20) == 20
    assert negatives_of(torch.ones(100), 200) is None
    assert negatives_of(COUNTS, 8) is None  # one of the nine has no event


def test_what_is_known_of_a_guess_is_strictly_earlier() -> None:
    """Target 2 shares its moment with target 1: it is guessed from both states, and knows one item either way."""
    targets = torch.tensor([[-100, 4, 5, -100]])
    context_positions = torch.tensor([[[0, -1], [1, -1], [1, 2], [3, -1]]])
    found = read_at(targets, context_positions)
    assert found.places.tolist() == [1, 2, 2]
    assert found.at.tolist() == [1, 1, 2]
    assert found.known.tolist() == [1, 1, 1]
    assert found.in_basket.tolist() == [False, False, True]
    nothing_whole = read_at(targets, torch.tensor([[[0, -1], [-1, 1], [-1, 2], [3, -1]]]))
    assert (nothing_whole.at.tolist(), nothing_whole.known.tolist()) == ([1, 2], [0, 0])
    plain = read_at(targets, None)
    assert plain.at.tolist() == plain.known.tolist() == [1, 2]
    assert not plain.in_basket.any()
