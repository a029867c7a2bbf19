"""Numbers as parts passed."""

from __future__ import annotations

import torch

from llmrec.training.fields import PiecewiseLinear


def test_numbers_become_parts_passed() -> None:
    layer = PiecewiseLinear(torch.tensor([[0.0, 1.0, 3.0], [0.0, 1.0, 1.0]]))
    found = layer(torch.tensor([[2.0, 1.0], [-5.0, 0.0], [9.0, float("nan")]]))
    assert found.tolist() == [
        [1, 0.5, 1, 1, 0, 1],  # the second feature's last part has no width: passed by more than 1 only
        [0, 0, 1, 0, 0, 1],
        [1, 1, 1, 0, 0, 0],
    ]
    assert layer.size(2) == found.shape[1]
    assert not layer.state_dict()
