"""LiGR blocks: causal, gated, and the same in training as in scoring."""

from __future__ import annotations

import torch

from llmrec.models.sequential.ligr import LiGRBlock, LiGRNetwork


def network() -> LiGRNetwork:
    torch.manual_seed(0)
    return LiGRNetwork(6, dim=16, layers=2, heads=2, dropout=0.0, max_items=8)


def test_a_state_reads_no_later_event() -> None:
    states = network().states(torch.tensor([[0, 1, 2], [0, 1, 5]]))
    torch.testing.assert_close(states[0, :3], states[1, :3])
    assert not torch.allclose(states[0, 3], states[1, 3])


def test_scoring_computes_what_training_does() -> None:
    model, inputs = network(), torch.tensor([[0, 1, 2, 3], [4, 5, -1, -1]])
    trained = model.states(inputs)
    with torch.inference_mode():
        scored = model.eval().states(inputs)
    torch.testing.assert_close(scored, trained)


def test_closed_gates_let_nothing_through() -> None:
    block, hidden = LiGRBlock(8, heads=2, dropout=0.0), torch.randn(1, 3, 8)
    for gate in (block.attention_gate, block.feed_forward_gate):
        torch.nn.init.zeros_(gate.weight)
        torch.nn.init.constant_(gate.bias, -100.0)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(3)
    torch.testing.assert_close(block(hidden, mask), hidden)
