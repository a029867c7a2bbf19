"""LiGR blocks: causal, gated, and the same in training as in scoring."""

from __future__ import annotations

import pytest
import torch

from llmrec.models.sequential.ligr import LiGRBlock, LiGRNetwork

INPUTS = torch.tensor([[0, 1, 2, 3], [4, 5, -1, -1]])
SECONDS = torch.tensor([[0, 9, 9, 5000], [0, 70, -1, -1]])


def network(time_bias: bool) -> LiGRNetwork:
    torch.manual_seed(0)
    model = LiGRNetwork(6, dim=16, layers=2, heads=2, dropout=0.0, max_items=8, time_bias=time_bias)
    if model.gap_bias is not None:
        torch.nn.init.normal_(model.gap_bias.of_gap.weight)
        torch.nn.init.normal_(model.gap_bias.of_distance.weight)
    return model


@pytest.mark.parametrize("time_bias", [False, True])
def test_a_state_reads_no_later_event(time_bias: bool) -> None:
    model = network(time_bias)
    one, other = torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 5]])
    states = model.states(one, torch.tensor([[0, 9, 10]])), model.states(other, torch.tensor([[0, 9, 8_000_000]]))
    torch.testing.assert_close(states[0][0, :3], states[1][0, :3])
    assert not torch.allclose(states[0][0, 3], states[1][0, 3])


@pytest.mark.parametrize("time_bias", [False, True])
def test_scoring_computes_what_training_does(time_bias: bool) -> None:
    """PyTorch has a fast path for inference that takes any bias for a mask: none may be used here."""
    model = network(time_bias)
    trained = model.states(INPUTS, SECONDS)
    with torch.inference_mode():
        scored = model.eval().states(INPUTS, SECONDS)
    torch.testing.assert_close(scored, trained)


def test_closed_gates_let_nothing_through() -> None:
    block, hidden = LiGRBlock(8, heads=2, dropout=0.0), torch.randn(1, 3, 8)
    for gate in (block.attention_gate, block.feed_forward_gate):
        torch.nn.init.zeros_(gate.weight)
        torch.nn.init.constant_(gate.bias, -100.0)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(3)
    torch.testing.assert_close(block(hidden, mask), hidden)
