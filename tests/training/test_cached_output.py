"""What is made of all items is made once, and anew when the weights change."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from llmrec.training.cached_output import CachesOutput


class Squares(CachesOutput):
    shift: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(3.0))
        self.register_buffer("shift", torch.zeros(()))
        self.calls = 0

    def forward(self) -> torch.Tensor:
        return self.cached(self._squares)

    def _squares(self) -> torch.Tensor:
        self.calls += 1
        return self.weight**2 + self.shift


def test_it_is_made_once_without_gradients() -> None:
    module = Squares().eval()
    with torch.inference_mode():
        first = module()
        assert module() is first
    with torch.no_grad():
        assert module() is first
    assert module.calls == 1
    assert module().requires_grad


def test_what_was_made_in_inference_mode_can_be_used_outside_it() -> None:
    module, layer = Squares().eval(), nn.Linear(3, 1)
    with torch.inference_mode():
        module()
    with torch.no_grad():
        kept = module()
    layer(kept).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_begins_without(copied: Callable[[Squares], Squares]) -> None:
    module = Squares().eval()
    with torch.no_grad():
        module()
        assert copied(module)._cached is None
        assert module._cached is not None


def test_changes_of_weights_that_were_made_in_inference_mode() -> None:
    with torch.inference_mode():
        module = Squares().eval()
        module()
        module.weight.add_(1)
        torch.testing.assert_close(module(), module.weight**2)


def test_in_training_nothing_is_kept() -> None:
    module = Squares().eval()
    with torch.no_grad():
        module()
        module.train()
        assert module._cached is None
        module()
        assert module._cached is None
    assert module.calls == 2


def test_it_is_made_anew_when_weights_change() -> None:
    def trained(module: Squares) -> None:
        module.train().weight.grad = torch.ones(3)
        torch.optim.AdamW([module.weight], lr=0.1, fused=True).step()
        module.eval()

    def assigned(module: Squares) -> None:
        with torch.no_grad():
            module.weight[0] = 7

    changes: list[Callable[[Squares], object]] = [
        trained,
        assigned,
        lambda module: module.load_state_dict({"weight": torch.ones(3), "shift": torch.ones(())}),
        lambda module: setattr(module, "weight", nn.Parameter(torch.ones(3))),
        lambda module: module.shift.add_(1),
        lambda module: module.double(),
    ]
    for change in changes:
        module = Squares().eval()
        with torch.inference_mode():
            module()
        change(module)
        with torch.inference_mode():
            torch.testing.assert_close(module(), (module.weight**2 + module.shift).detach())
        assert module.calls == 2
