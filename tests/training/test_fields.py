"""Numbers as parts passed."""

from __future__ import annotations

import torch

from llmrec.training.field_embeddings import FieldEmbeddings, PiecewiseLinear


def test_numbers_become_parts_passed() -> None:
    layer = PiecewiseLinear(torch.tensor([[0.0, 1.0, 3.0], [0.0, 1.0, 1.0]]))
    found = layer(torch.tensor([[2.0, 1.0], [-5.0, 0.0], [9.0, float("nan")]]))
    assert found.tolist() == [
        [1, 0.5, 1, 1, 0, 1],
        [0, 0, 1, 0, 0, 1],
        [1, 1, 1, 0, 0, 0],
    ]
    # A part that no training value lay in stays 0, and so does all of a feature that never differed.
    assert layer(torch.tensor([[0.0, 9.0]])).tolist() == [[0, 0, 1, 1, 0, 1]]
    same = PiecewiseLinear(torch.full((1, 3), 2.0))
    assert not same(torch.tensor([[2.0], [7.0], [float("nan")]])).any()
    assert layer.size(2) == found.shape[1]
    assert not layer.state_dict()


def test_what_an_event_says_scales_and_moves_its_item() -> None:
    fields, items = FieldEmbeddings((3, 2), 4), torch.arange(8.0).reshape(1, 2, 4)
    levels = torch.tensor([[[1, 0], [2, 1]]])
    assert torch.equal(fields(items, levels), items)  # at first nothing is known of what it means
    with torch.no_grad():
        fields.scales[0].weight[1] = -2.0
        fields.tables[1].weight[1] = 0.5
    found = fields(items, levels, 10.0)
    assert torch.equal(found[0, 0], -items[0, 0])
    assert torch.equal(found[0, 1], items[0, 1] + 5)
