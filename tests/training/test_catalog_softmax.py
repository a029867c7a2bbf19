"""The softmax in parts has the value and the gradients of the whole."""

from __future__ import annotations

import pytest
import torch

from llmrec.training import catalog_softmax
from llmrec.training.catalog_softmax import catalog_loss
from llmrec.training.losses import catalog_cross_entropy


@pytest.mark.parametrize("at_once", [1, 40, 10_000])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("repeat_bias", [False, True])
def test_value_and_gradients(
    at_once: int, weighted: bool, repeat_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(catalog_softmax.AT_ONCE, "cpu", at_once)
    monkeypatch.setattr(catalog_softmax, "LEAST", 1)
    torch.manual_seed(0)
    learned = [torch.randn(shape) for shape in ((7, 4), (11, 4), (11,), (7, 3))]
    targets, codes = torch.randint(10, (7,)), torch.randint(11, (7, 3))
    weights = torch.rand(7) if weighted else None

    def whole(states: torch.Tensor, table: torch.Tensor, bias: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        logits = states @ table.T + out(bias)
        if repeat_bias:
            logits = logits.scatter_add(1, codes, values)
        return catalog_cross_entropy(logits, targets, weights)

    def parts(states: torch.Tensor, table: torch.Tensor, bias: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        added = (codes, values) if repeat_bias else None
        return catalog_loss(states, table, out(bias), targets, weights=weights, added=added)

    results = {}
    for variant in (whole, parts):
        given = [one.clone().requires_grad_() for one in learned]
        loss = variant(*given)
        (3 * loss).backward()
        results[variant] = loss.detach(), [one.grad for one in given[: 4 if repeat_bias else 3]]
        with torch.no_grad():
            torch.testing.assert_close(variant(*given), loss.detach())
    torch.testing.assert_close(results[parts], results[whole])


def out(bias: torch.Tensor) -> torch.Tensor:
    """The last item takes no part."""
    return bias.masked_fill(torch.arange(11) == 10, -torch.inf)


def test_no_targets_are_no_loss() -> None:
    states = torch.zeros((0, 4), requires_grad=True)
    loss = catalog_loss(states, torch.randn(5, 4), torch.zeros(5), torch.zeros(0, dtype=torch.long))
    loss.backward()
    assert loss.item() == 0
