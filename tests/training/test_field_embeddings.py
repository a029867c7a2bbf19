"""Piecewise linear encoding, and fields that scale and shift items."""

from __future__ import annotations

import torch

from llmrec.training.field_embeddings import FieldEmbeddings, PiecewiseLinear


def test_numbers_are_encoded_piecewise_linearly() -> None:
    layer = PiecewiseLinear(torch.tensor([[0.0, 1.0, 3.0], [0.0, 1.0, 1.0]]))
    encoded = layer(torch.tensor([[2.0, 1.0], [-5.0, 0.0], [9.0, float("nan")]]))
    assert encoded.tolist() == [
        [1, 0.5, 1, 1, 0, 1],
        [0, 0, 1, 0, 0, 1],
        [1, 1, 1, 0, 0, 0],
    ]
    # A bin without training values stays 0, and so does all of a constant feature.
    assert layer(torch.tensor([[0.0, 9.0]])).tolist() == [[0, 0, 1, 1, 0, 1]]
    same = PiecewiseLinear(torch.full((1, 3), 2.0))
    assert not same(torch.tensor([[2.0], [7.0], [float("nan")]])).any()
    assert layer.size(2) == encoded.shape[1]
    assert not layer.state_dict()


def test_fields_scale_and_shift_an_item() -> None:
    fields, items = FieldEmbeddings((3, 2), 4), torch.arange(8.0).reshape(1, 2, 4)
    bins = torch.tensor([[[1, 0], [2, 1]]])
    assert torch.equal(fields(items, bins), items)  # at first no field has an effect
    with torch.no_grad():
        fields.get_parameter("scales.0.weight")[1] = -2.0
        fields.get_parameter("shifts.1.weight")[1] = 0.5
    events = fields(items, bins, 10.0)
    assert torch.equal(events[0, 0], -items[0, 0])
    assert torch.equal(events[0, 1], items[0, 1] + 5)
