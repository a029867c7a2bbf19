"""Finetuned item texts: encodings move, and the gradient reaches the adapter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from llmrec import Histories, Recipe, Split
from llmrec.data import Sequences
from llmrec.llm.backbone import twin_without_adapter
from llmrec.llm.encode import encode_item_texts
from llmrec.models import LLMRecommender
from llmrec.models.llm.item_encoder import ItemEncoder
from llmrec.training.batching import Batch

MakeRecipe = Callable[..., Recipe]


def sequences_of(model: LLMRecommender) -> Sequences:
    items = [[str((user + step) % 12) for step in range(5)] for user in range(3)]
    return Sequences.encode(Histories.of(items), model.catalog)


def test_a_finetuned_encoder_moves_the_text_encodings(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    frozen, tuned = (
        LLMRecommender(tiny_recipe("soft", "train.epochs=2", f"head.item_encoder={item_encoder}")).fit(
            toy_split.train
        )
        for item_encoder in ("frozen", "finetuned")
    )
    assert np.abs(tuned.state.encodings.texts - frozen.state.encodings.texts).max() > 0.01
    scores = tuned.score(tuned.histories)
    plain = twin_without_adapter(tuned.encoder.network.model)
    untuned = encode_item_texts(plain, tuned.encoder.serializer.item_tokens, batch_tokens=1200)
    np.testing.assert_array_equal(tuned.score(tuned.histories), scores)  # it is as it was
    mean, scale = tuned.state.encodings.mean, tuned.state.encodings.scale
    np.testing.assert_allclose((untuned - mean) / scale, frozen.state.encodings.texts, atol=1e-4)


def test_a_finetuned_encoder_learns_through_the_text(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    model = LLMRecommender(tiny_recipe("soft", "train.epochs=1", "head.item_encoder=finetuned")).fit(
        toy_split.train
    )
    network = model.encoder.network
    network.model.unmerge_adapter()  # as in training: merged weights pass the adapter by
    network.train()
    network.item_encoder = ItemEncoder(
        model.encoder.serializer.item_tokens,
        mean=torch.from_numpy(model.state.encodings.mean),
        scale=model.state.encodings.scale,
        budget=200,
        every=1,
    )
    batch = model.encoder.collate(sequences_of(model), Batch(0, np.array([[0, 0, 4]])))
    used = torch.cat([batch[name][batch[name] >= 0] for name in ("placeholders", "targets")])
    codes, encodings = network._finetuned_texts(used)
    assert set(codes.tolist()) <= set(sequences_of(model)[0].tolist())
    adapter = [value for name, value in network.named_parameters() if "lora_B" in name]
    gradients = torch.autograd.grad(encodings.pow(3).sum(), adapter)
    assert all(float(gradient.abs().max()) > 0 for gradient in gradients)
