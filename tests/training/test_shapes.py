"""A network's sizes cost neither memory nor random numbers."""

from __future__ import annotations

import torch
from torch import nn

from llmrec.models.tensors import expected_state
from llmrec.training.shapes import shapes_only


def test_sizes_without_values() -> None:
    with shapes_only():
        network = nn.Sequential(nn.Embedding(10**12, 64), nn.GRU(64, 8), nn.LayerNorm(8))
        there = nn.init.normal_(torch.zeros(3, device="cpu"), mean=7.0)
    assert all(parameter.is_meta for parameter in network.parameters())
    assert expected_state(network.state_dict())["0.weight"].shape == (10**12, 64)
    assert there.tolist() == [0, 0, 0]
    assert nn.init.ones_(there).tolist() == [1, 1, 1]
