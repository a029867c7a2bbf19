"""Training options that a recipe can switch on: each learns the toy films and is saved."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmrec import Recipe, Split
from llmrec.models import LLMRecommender
from llmrec.models.fit_network import ndcg_on
from llmrec.training.catalog_softmax import catalog_loss

MakeRecipe = Callable[..., Recipe]
needs_bits = pytest.mark.skipif(importlib.util.find_spec("bitsandbytes") is None, reason="needs the gpu extra")


def adapter_of(model: LLMRecommender) -> Any:
    return model.encoder.network.model.peft_config["default"]


@pytest.mark.parametrize(
    ("changes", "is_on"),
    [
        (("train.negatives=5", "train.epochs=10"), lambda model: model.encoder.network.losses.negatives == 5),
        (
            ("head.item_encoder=finetuned", "head.refresh_every=4"),
            lambda model: model.encoder.network.item_encoder.every == 4,
        ),
        (("train.pack=true",), lambda model: model.encoder.network.pack),
        pytest.param(("lora.rslora=true",), lambda model: adapter_of(model).use_rslora, marks=pytest.mark.slow),
        pytest.param(("lora.dora=true",), lambda model: adapter_of(model).use_dora, marks=pytest.mark.slow),
        pytest.param(
            ("head.dropout=0.1",), lambda model: model.encoder.network.dropout.p == 0.1, marks=pytest.mark.slow
        ),
        (("backbone.dtype=bfloat16",), lambda model: model.encoder.network.bf16),
        pytest.param(
            ("backbone.quantize=4bit",),
            lambda model: model.encoder.network.model.config.quantization_config,
            marks=needs_bits,
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_it_learns_the_toy_films_and_is_saved(
    changes: tuple[str, ...],
    is_on: Callable[[LLMRecommender], object],
    tiny_recipe: MakeRecipe,
    toy_split: Split,
    tmp_path: Path,
) -> None:
    model = LLMRecommender(tiny_recipe("soft", *changes)).fit(toy_split.train)
    assert is_on(model)
    assert ndcg_on(model, toy_split.test) > 0.8
    model.save(tmp_path / "run")
    again = LLMRecommender.load(tmp_path / "run")
    histories = toy_split.test.histories
    np.testing.assert_allclose(again.score(histories), model.score(histories), atol=1e-4)


def test_bfloat16_stops_at_the_llm(
    tiny_recipe: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog's logits are exact: in bfloat16 they would step by 0.06, and items would tie."""
    rounded: set[bool] = set()

    def noted(states: torch.Tensor, table: torch.Tensor, *others: Any, **named: Any) -> torch.Tensor:
        exact = states.dtype == table.dtype == torch.float32
        rounded.add(not exact or torch.is_autocast_enabled(states.device.type))
        return catalog_loss(states, table, *others, **named)

    monkeypatch.setattr("llmrec.models.llm.network.catalog_loss", noted)
    LLMRecommender(tiny_recipe("soft", "backbone.dtype=bfloat16", "train.epochs=1")).fit(toy_split.train)
    assert rounded == {False}


def test_titles_alone_can_be_learned(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    changes = "train.item_loss=0", "train.title_loss=1"
    recipes = [tiny_recipe("text", *changes, f"train.epochs={epochs}") for epochs in (1, 2)]
    short, model = (LLMRecommender(recipe).fit(toy_split.train) for recipe in recipes)
    assert model.train_log[1]["loss"] < model.train_log[0]["loss"] - 0.2
    # Nothing of the items' softmax reached the head: it is as it was drawn, however long the training.
    assert torch.equal(short.encoder.network.user_projection.weight, model.encoder.network.user_projection.weight)
