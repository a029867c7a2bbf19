"""Packing: a batch end to end in one row is the padded batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from llmrec import Histories, Recipe, Split
from llmrec.models import LLMRecommender
from llmrec.models.llm.packing import packed, unpacked
from llmrec.training.batching import Batch

MakeRecipe = Callable[..., Recipe]


def test_packed_gives_the_loss_and_gradients_of_padded(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    found = {}
    for pack in (False, True):
        model = LLMRecommender(tiny_recipe("text", "train.epochs=1")).fit(toy_split.train)
        network = model.encoder.network
        network.pack = pack
        sequences = sequences_of(model)
        loss = network(**model.encoder.collate(sequences, Batch(0, np.array([[0, 0, 4], [1, 0, 1], [2, 1, 4]]))))
        weights = [network.user_projection.weight, network.get_parameter("items.ids.weight")]
        found[pack] = loss, *torch.autograd.grad(loss, weights)
    for padded, together in zip(found[False], found[True], strict=True):
        torch.testing.assert_close(padded, together, atol=1e-5, rtol=1e-4)


def sequences_of(model: LLMRecommender):  # type: ignore[no-untyped-def]
    from llmrec.data import Sequences

    items = [[str((user + step) % 12) for step in range(5)] for user in range(3)]
    return Sequences.encode(Histories.of(items), model.catalog)


def test_packing_is_undone() -> None:
    class Blocks(torch.nn.Module):
        config = type("Config", (), {"_attn_implementation": "sdpa"})

        def forward(self, position_ids: torch.Tensor) -> None: ...

    batch = torch.randn(2, 3, 4)
    inside = torch.tensor([[True, True, False], [True, True, True]])
    row, options = packed(batch, inside, Blocks())
    assert options["position_ids"].tolist() == [[0, 1, 0, 1, 2]]
    sees = options["attention_mask"][0, 0] == 0
    assert sees.int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 0, 1, 1, 0],
        [0, 0, 1, 1, 1],
    ]
    assert torch.equal(unpacked(row, inside), batch * inside[..., None])
