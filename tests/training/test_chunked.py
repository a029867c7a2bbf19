"""A sum in parts has the value and the gradient of the whole."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from llmrec.training.chunked import sum_in_parts


@pytest.mark.parametrize("at_once", [1, 3, 7, 100])
def test_value_and_gradient_are_those_of_the_whole(at_once: int) -> None:
    torch.manual_seed(0)
    head, targets = torch.randn(11, 4, dtype=torch.float64), torch.randint(11, (7,))
    whole = torch.randn(7, 4, dtype=torch.float64, requires_grad=True)
    parts = whole.detach().clone().requires_grad_()
    seen = []

    def loss(states: torch.Tensor, some_targets: torch.Tensor) -> torch.Tensor:
        seen.append(len(some_targets))
        return functional.cross_entropy(states @ head.T, some_targets, reduction="sum")

    expected = loss(whole, targets)
    seen.clear()
    total = sum_in_parts(loss, parts, targets, at_once=at_once)
    torch.testing.assert_close(total, expected)
    (3 * expected).backward()
    (3 * total).backward()
    torch.testing.assert_close(parts.grad, whole.grad)
    assert sum(seen) == 7  # nothing was computed twice
    assert max(seen) <= at_once
    with torch.no_grad():
        torch.testing.assert_close(sum_in_parts(loss, parts, targets, at_once=at_once), expected)
