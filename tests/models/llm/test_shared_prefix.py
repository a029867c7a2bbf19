"""What all histories of a batch begin with is read once, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llmrec import Histories, Recipe, Split, load
from llmrec.data import Sequences
from llmrec.models import LLMRecommender
from llmrec.models.llm import shared_prefix
from llmrec.training.batching import Batch

MakeRecipe = Callable[..., Recipe]
WINDOWS = np.array([[0, 0, 4], [1, 0, 1], [2, 1, 4], [3, 0, 2]])


def fitted(make: MakeRecipe, split: Split, encoding: str, *changes: str) -> LLMRecommender:
    return LLMRecommender(make(encoding, "train.epochs=1", *changes)).fit(split.train)


def training_batch(model: LLMRecommender) -> dict[str, torch.Tensor]:
    items = [[str((user + step) % 12) for step in range(5)] for user in range(4)]
    return model.encoder.collate(Sequences.encode(Histories.of(items), model.catalog), Batch(0, WINDOWS))


def shapes_read(blocks: torch.nn.Module, monkeypatch: pytest.MonkeyPatch, run: Callable[[], object]) -> list[Any]:
    """The shapes [n, length] that the blocks read."""
    shapes, plain = [], blocks.forward

    @wraps(plain)  # what it takes is looked up
    def noted(*arguments: Any, **options: Any) -> Any:
        shapes.append(tuple(options["inputs_embeds"].shape[:2]))
        return plain(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(blocks, "forward", noted)
        run()
    return shapes


@pytest.mark.parametrize(
    ("encoding", "change"),
    [("soft", "seed=1"), ("text", "train.title_loss=0.5"), ("text", "history.local_blocks=1")],
)
def test_loss_and_gradients_are_those_of_whole_rows(
    encoding: str, change: str, tiny_recipe: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted(tiny_recipe, toy_split, encoding, change)
    network: Any = model.encoder.network
    network.model.base_model.unmerge_adapter()
    batch = training_batch(model)
    learned = [value for name, value in network.named_parameters() if value.requires_grad or "lora_" in name]
    for weight in learned:
        weight.requires_grad_()
    losses, gradients, read = [], [], []
    for least in (0.0, torch.inf):
        monkeypatch.setattr(shared_prefix, "LEAST_SAVED", least)
        read.append(shapes_read(network.blocks, monkeypatch, lambda: losses.append(network(**batch))))
        gradients.append(torch.autograd.grad(losses[-1], learned, allow_unused=True))
    n_rows, length = batch["tokens"].shape
    n_prefix = len(model.encoder.serializer.prefix) + ("title" in change)  # all titles begin with "Film"
    assert read == [[(1, n_prefix), (n_rows, length - n_prefix)], [(n_rows, length)]]
    torch.testing.assert_close(losses[0], losses[1], atol=1e-5, rtol=1e-5)
    for once, whole in zip(*gradients, strict=True):
        torch.testing.assert_close(once, whole, atol=1e-5, rtol=1e-3)
    assert any(grad is not None and grad.abs().sum() > 0 for grad in gradients[0])


def test_short_histories_are_scored_as_whole_ones_also_by_plain_blocks(
    tiny_recipe: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = fitted(tiny_recipe, toy_split, "soft")
    model.save(tmp_path / "run")
    plain = load(tmp_path / "run")
    histories = Histories.of([["3"], ["5", "1"], ["2", "7", "4"], []])
    once = [one.score(histories) for one in (model, plain)]
    monkeypatch.setattr(shared_prefix, "LEAST_SAVED", torch.inf)
    for scores in once:
        np.testing.assert_allclose(scores, model.score(histories), atol=1e-4)


@pytest.mark.parametrize(
    ("tokens", "n"),
    [
        ([[5, 6, -1, -1], [5, 6, -1, 9], [5, 6, -1, -1]], 2),
        ([[5, 6, 7], [5, 6, 7]], 2),  # a position is left to each row
        ([[5, 6, -1]], 0),  # nobody to share it with
        ([[5, 6], [6, 6]], 0),
        ([[5, *[-1] * 40], [5, *[-1] * 40]], 0),  # two positions of 82
    ],
)
def test_what_is_shared(tokens: list[list[int]], n: int) -> None:
    rows = torch.tensor(tokens)
    asked: list[Any] = []

    class Blocks(torch.nn.Module):
        config = type("Config", (), {})

        def forward(self, position_ids: torch.Tensor, attention_mask: torch.Tensor) -> None: ...

    def run(blocks: torch.nn.Module, embedded: torch.Tensor, **options: Any) -> torch.Tensor:
        asked.append(embedded.shape[1])
        return embedded

    blocks: Any = Blocks()
    blocks.empty_cache = lambda: type("Cache", (), {"layers": ()})()
    embedded = torch.randn(*rows.shape, 3)
    embedded[:, :n] = embedded[:1, :n]
    assert torch.equal(shared_prefix.read_rows(run, rows, blocks, embedded), embedded)
    assert asked == ([n, rows.shape[1] - n] if n else [rows.shape[1]])


def test_checkpointed_blocks_read_whole_rows(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    model = fitted(tiny_recipe, toy_split, "soft", "backbone.gradient_checkpointing=true")
    blocks = model.encoder.network.blocks
    assert not shared_prefix.reads_cached(blocks.train())
    assert shared_prefix.reads_cached(blocks.eval())
