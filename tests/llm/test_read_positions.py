"""Of positions that are not read the last block computes keys and values alone, and nothing else changes."""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from llmrec import Histories, Recipe, Split, load
from llmrec.data import Sequences
from llmrec.llm import read_positions
from llmrec.llm.backbone import transformer_blocks
from llmrec.models import LLMRecommender
from llmrec.training.batching import Batch

MakeRecipe = Callable[..., Recipe]
WINDOWS = np.array([[0, 0, 4], [1, 0, 1], [2, 1, 4]])
FORMS = {
    "text": [],
    "hybrid": ["history.text_items=2"],
    "soft": ["train.pack=true"],
    "text by line": ["history.local_blocks=1"],
    "hybrid by line": ["history.local_blocks=1", "history.boundary_states=both"],
}


def fitted(make: MakeRecipe, split: Split, form: str, *changes: str) -> LLMRecommender:
    few = ("train.epochs=1", "train.title_loss=0", "head.dropout=0", *FORMS[form], *changes)
    return LLMRecommender(make(form.split()[0], *few)).fit(split.train)


def training_batch(model: LLMRecommender) -> dict[str, torch.Tensor]:
    items = [[str((user + step) % 12) for step in range(5)] for user in range(3)]
    return model.encoder.collate(Sequences.encode(Histories.of(items), model.catalog), Batch(0, WINDOWS))


def positions_computed(parts: dict[str, torch.nn.Module], run: Callable[[], object]) -> dict[str, int]:
    """How many positions each part computes."""
    counts = dict.fromkeys(parts, 0)

    def counted(name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            counts[name] += inputs[0].shape[:-1].numel()

        return hook

    hooks = [part.register_forward_pre_hook(counted(name)) for name, part in parts.items()]
    run()
    for hook in hooks:
        hook.remove()
    return counts


@pytest.mark.parametrize("form", FORMS)
def test_loss_and_gradients_are_those_of_all_positions(
    form: str, tiny_recipe: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted(tiny_recipe, toy_split, form)
    network: Any = copy.deepcopy(model.encoder.network)
    network.model.base_model.unmerge_adapter()
    network.train()
    learned = [value for value in network.parameters() if value.requires_grad]
    blocks: Any = transformer_blocks(network.model)
    parts = {f"mlp {n}": block.mlp for n, block in enumerate(blocks.layers)}
    batch, counts, losses, gradients = training_batch(model), [], [], []
    for least in (0.0, 1.0):
        monkeypatch.setattr(read_positions, "LEAST_SAVED", least)
        network.zero_grad()
        counts.append(positions_computed(parts, lambda: losses.append(network(**batch))))
        gradients.append(torch.autograd.grad(losses[-1], learned, allow_unused=True))
    assert float(losses[0].detach()) == pytest.approx(float(losses[1].detach()), abs=1e-5)
    for few, whole in zip(*gradients, strict=True):
        torch.testing.assert_close(few, whole, atol=1e-5, rtol=1e-3)
    if form != "soft":  # there all but the prefix is read, which is read once where nothing is packed
        assert counts[0]["mlp 1"] < counts[1]["mlp 1"]
    lines = len({*batch["placeholders"].flatten().tolist()} - {-1})
    if form == "text by line":
        assert counts[0]["mlp 0"] == len(model.encoder.serializer.prefix) + lines
    else:
        assert (counts[0]["mlp 0"] < counts[1]["mlp 0"]) == ("by line" in form)


@pytest.mark.parametrize("form", FORMS)
def test_a_ranked_history_costs_the_last_block_one_position(
    form: str, tiny_recipe: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Also by plain blocks, in sessions, and where beginnings are read once."""
    model = fitted(tiny_recipe, toy_split, form)
    model.save(tmp_path / "run")
    plain = load(tmp_path / "run").for_scores()
    models: list[Any] = [plain, model]
    steps = ["3", "5", "1", "2", "7", "4"]
    histories = Histories.of([steps, steps[:5], ["2", "7"], []])
    for one in models:
        parts = {"mlp": one.encoder.network.blocks.layers[-1].mlp}
        assert positions_computed(parts, partial(one.score, histories[:1])) == {"mlp": 1}
    # A session begins with nothing.
    assert positions_computed(parts, partial(model.session, steps)) == {"mlp": 2}
    few = [model.score(histories), plain.score(histories), model.score_variants(histories)]
    state = model.session(steps).state
    monkeypatch.setattr(read_positions, "LEAST_SAVED", 1.0)
    whole = model.score(histories)
    for scores in few:
        np.testing.assert_allclose(scores, whole, atol=1e-4)
    np.testing.assert_allclose(state, model.embed_users(histories[:1])[0], atol=1e-4)


def test_what_is_read_is_of_each_thread(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    model = fitted(tiny_recipe, toy_split, "text")
    many = [Histories.of([[str((n + step) % 12) for step in range(1 + n % 6)]]) for n in range(24)]
    expected = [model.embed_users(one)[0] for one in many]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda one: model.embed_users(one)[0], many))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("form", ["text", "text by line"])
def test_checkpointed_blocks_compute_all(form: str, tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    """They compute them again for the gradient, when nobody says any more which are read, and keep nothing."""
    model = fitted(tiny_recipe, toy_split, form, "backbone.gradient_checkpointing=true")
    network: Any = copy.deepcopy(model.encoder.network)
    network.model.base_model.unmerge_adapter()
    network.train()
    losses, gradients = [], []
    for checkpointed in (True, False):
        for module in network.modules():
            if hasattr(module, "gradient_checkpointing"):
                module.gradient_checkpointing = checkpointed
        network.zero_grad()
        loss = network(**training_batch(model))
        loss.backward()
        losses.append(float(loss.detach()))
        gradients.append([value.grad for value in network.parameters() if value.requires_grad])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    for anew, kept in zip(*gradients, strict=True):
        torch.testing.assert_close(anew, kept, atol=1e-5, rtol=1e-3)


def test_blocks_of_other_parts_are_left_as_they_are() -> None:
    """A part of a known name that looks at other positions, or takes something besides."""

    class Sums(torch.nn.Module):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return states.cumsum(1)

    class Adds(torch.nn.Module):
        def forward(self, states: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
            return states + residual

    class Block(torch.nn.Module):
        def __init__(self, mlp: torch.nn.Module) -> None:
            super().__init__()
            self.mlp, self.n = mlp, 1 + isinstance(mlp, Adds)

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = self.mlp(*[states] * self.n)
            return result

    class Blocks(torch.nn.Module):
        config = type("Config", (), {"num_hidden_layers": 1})

        def __init__(self, mlp: torch.nn.Module) -> None:
            super().__init__()
            self.layers, self.weight = torch.nn.ModuleList([Block(mlp)]), torch.nn.Parameter(torch.ones(1))

        def forward(self, inputs_embeds: torch.Tensor, use_cache: bool) -> Any:
            return type("Output", (), {"last_hidden_state": self.layers[0](inputs_embeds)})

    embed = torch.nn.Embedding(read_positions.CHECKED, 3)
    picked = {}
    for mlp in (Sums(), Adds(), torch.nn.Linear(3, 3)):
        read_positions.pick_positions(Blocks(mlp), embed)
        picked[type(mlp).__name__] = len(mlp._forward_hooks)
    assert picked == {"Sums": 0, "Adds": 0, "Linear": 1}
