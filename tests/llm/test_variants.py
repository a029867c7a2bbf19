"""Ways to train that a recipe can switch on: each learns the toy films, and those that must agree do."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmrec import Histories, Recipe, Split
from llmrec.errors import RecipeError
from llmrec.llm.backbone import without_adapter
from llmrec.llm.encode import encode_item_texts
from llmrec.models import LLMRecommender, from_recipe
from llmrec.models.fit_network import ndcg_on
from llmrec.models.llm.item_encoder import ItemEncoder
from llmrec.models.llm.packing import packed, unpacked
from llmrec.training.batching import Batch
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
        (("lora.rslora=true",), lambda model: adapter_of(model).use_rslora),
        (("lora.dora=true",), lambda model: adapter_of(model).use_dora),
        (("head.dropout=0.1",), lambda model: model.encoder.network.dropout.p == 0.1),
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


def test_packed_gives_the_loss_and_gradients_of_padded(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    found = {}
    for pack in (False, True):
        model = LLMRecommender(tiny_recipe("text", "train.epochs=1")).fit(toy_split.train)
        network = model.encoder.network
        network.pack = pack
        sequences = model_sequences(model)
        loss = network(**model.encoder.collate(sequences, Batch(0, np.array([[0, 0, 4], [1, 0, 1], [2, 1, 4]]))))
        weights = [network.user_projection.weight, network.get_parameter("items.ids.weight")]
        found[pack] = loss, *torch.autograd.grad(loss, weights)
    for padded, together in zip(found[False], found[True], strict=True):
        torch.testing.assert_close(padded, together, atol=1e-5, rtol=1e-4)


def model_sequences(model: LLMRecommender):  # type: ignore[no-untyped-def]
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


def test_a_tuned_tower_moves_the_text_encodings(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    frozen, tuned = (
        LLMRecommender(tiny_recipe("soft", "train.epochs=2", f"head.item_encoder={tower}")).fit(toy_split.train)
        for tower in ("frozen", "finetuned")
    )
    assert np.abs(tuned.state.encodings.texts - frozen.state.encodings.texts).max() > 0.01
    with without_adapter(tuned.encoder.network.model):
        untuned = encode_item_texts(
            tuned.encoder.network.model, tuned.encoder.serializer.item_tokens, batch_tokens=1200
        )
    mean, scale = tuned.state.encodings.mean, tuned.state.encodings.scale
    np.testing.assert_allclose((untuned - mean) / scale, frozen.state.encodings.texts, atol=1e-4)


def test_a_tuned_tower_learns_through_the_text(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
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
    batch = model.encoder.collate(model_sequences(model), Batch(0, np.array([[0, 0, 4]])))
    read, targets = (batch[name][batch[name] >= 0] for name in ("placeholders", "targets"))
    codes, encodings = network._finetuned_texts(read, targets)
    assert set(codes.tolist()) <= set(model_sequences(model)[0].tolist())
    adapter = [value for name, value in network.named_parameters() if "lora_B" in name]
    gradients = torch.autograd.grad(encodings.pow(3).sum(), adapter)
    assert all(float(gradient.abs().max()) > 0 for gradient in gradients)


def test_warm_start_begins_at_the_other_model(tiny_recipe: MakeRecipe, toy_split: Split, tmp_path: Path) -> None:
    values = {"model": "sasrec", "sequence": {"dim": 32, "max_items": 8}, "train": {"epochs": 1}}
    other = from_recipe(Recipe.of(values)).fit(toy_split.train)
    other.save(tmp_path / "sasrec")
    rates = ("train.epochs=1", "train.learning_rate=1e-12", "train.head_learning_rate=1e-12")
    recipe = tiny_recipe("soft", f"head.warm_start={tmp_path / 'sasrec'}", *rates)
    for model in (from_recipe(recipe), LLMRecommender(recipe, warm_start=other)):
        assert isinstance(model, LLMRecommender)
        ids = model.fit(toy_split.train).encoder.network.get_parameter("items.ids.weight").detach().numpy()
        vectors = other.item_vectors()
        assert vectors is not None
        np.testing.assert_allclose(ids, vectors, atol=1e-6)


def test_a_warm_start_is_named_and_loaded(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    with pytest.raises(RecipeError, match=r"head\.warm_start=run is not loaded; make the model by .*from_recipe"):
        LLMRecommender(tiny_recipe("soft", "head.warm_start=run")).fit(toy_split.train)
    with pytest.raises(RecipeError, match=r"head\.warm_start names no run"):
        LLMRecommender(tiny_recipe("soft"), warm_start=from_recipe(Recipe(model="sasrec")))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"model": "sasrec", "sequence": {"dim": 16}, "train": {"epochs": 1}}, "16 dimensions, head.dim is 32"),
        ({"model": "markov"}, "no item vectors"),
    ],
)
def test_a_warm_start_that_does_not_fit_is_refused(
    other: dict[str, object], said: str, tiny_recipe: MakeRecipe, toy_split: Split, tmp_path: Path
) -> None:
    from_recipe(Recipe.of(other)).fit(toy_split.train).save(tmp_path / "run")
    with pytest.raises(RecipeError, match=said):
        from_recipe(tiny_recipe("soft", f"head.warm_start={tmp_path / 'run'}")).fit(toy_split.train)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("train.item_loss=0",), "nothing to learn"),
        (("train.title_loss=0.1",), "no titles to learn"),
        (("head.warm_start=run", "head.id_residual=false"), "needs head.id_residual"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(
    changes: tuple[str, ...], said: str, tiny_recipe: MakeRecipe
) -> None:
    with pytest.raises(RecipeError, match=said):
        from_recipe(tiny_recipe("soft", *changes))


def test_titles_alone_can_be_learned(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    changes = "train.item_loss=0", "train.title_loss=1"
    recipes = [tiny_recipe("text", *changes, f"train.epochs={epochs}") for epochs in (1, 2)]
    short, model = (LLMRecommender(recipe).fit(toy_split.train) for recipe in recipes)
    assert model.train_log[1]["loss"] < model.train_log[0]["loss"] - 0.2
    # Nothing of the items' softmax reached the head: it is as it was drawn, however long the training.
    assert torch.equal(short.encoder.network.user_projection.weight, model.encoder.network.user_projection.weight)
