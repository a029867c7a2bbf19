"""Blocks that read each item's line by itself: exact, learned through, remembered, and refused where senseless."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from llmrec import Histories, Recipe, Split
from llmrec.data import Sequences
from llmrec.errors import ModelError, RecipeError
from llmrec.llm.backbone import transformer_blocks
from llmrec.models import LLMRecommender, from_recipe
from llmrec.models.llm import local_lines
from llmrec.training.batching import Batch

MakeRecipe = Callable[..., Recipe]
ODD = ["history.item_prompt=title", "head.item_prompt=item"]
FORMS = [("text", "last"), ("text", "mean"), ("text", "both"), ("hybrid", "both")]


def fitted(tiny_recipe: MakeRecipe, split: Split, encoding: str, *changes: str) -> LLMRecommender:
    recipe = tiny_recipe(encoding, "history.local_blocks=1", "history.max_items=5", "train.epochs=1", *changes)
    return LLMRecommender(recipe).fit(split.train)


@pytest.fixture(scope="module", params=FORMS, ids=str)
def model(request: pytest.FixtureRequest, tiny_recipe: MakeRecipe, toy_split: Split) -> LLMRecommender:
    encoding, boundary = request.param
    return fitted(tiny_recipe, toy_split, encoding, f"history.boundary_states={boundary}", *ODD)


def masked_pass(network: Any, serializer: Any, codes: list[int], vectors: torch.Tensor) -> torch.Tensor:
    """Read one history by whole blocks: in the lower ones a mask lets each line see itself alone."""
    lines = [
        list(serializer.prefix),
        *([serializer.item_tokens[0][-1], *serializer.item_tokens[c]] for c in codes),
    ]
    tokens = torch.tensor(np.concatenate(lines))
    line = torch.tensor(np.repeat(np.arange(len(lines)), [len(one) for one in lines]))
    positions = torch.tensor(np.concatenate([np.arange(len(one)) for one in lines]))
    ends = torch.tensor(np.cumsum([len(one) for one in lines]) - 1)
    states = network.model.get_input_embeddings()(tokens)
    if serializer.encoding.ends_in_vector:
        soft = network.soft_tokens(functional.embedding(torch.tensor(codes), vectors))
        states = states.index_copy(0, ends[1:], soft)
    order = torch.arange(len(tokens))
    sees = (line[:, None] == line) & (order[:, None] >= order)
    blocks: Any = transformer_blocks(network.model)

    def run(layers: Any, states: torch.Tensor, positions: torch.Tensor, sees: torch.Tensor) -> torch.Tensor:
        mask = torch.zeros(sees.shape).masked_fill(~sees, torch.finfo(torch.float32).min)[None, None]
        rotary = blocks.rotary_emb(states, position_ids=positions[None])
        for layer in layers:
            states = layer(states, attention_mask=mask, position_embeddings=rotary, position_ids=positions[None])
        return states

    states = run(blocks.layers[:1], states[None], positions, sees)[0]
    up = [states[: len(lines[0])]]
    for start, end in zip(ends[:-1] + 2, ends[1:], strict=True):  # after the newline that each line begins with
        of = {"last": [states[end]], "mean": [states[start:end].mean(0)]}
        of["both"] = of["mean"] + of["last"]
        up.append(torch.stack(of[serializer.encoding.states]))
    read = torch.cat(up)
    order = torch.arange(len(read))
    last: torch.Tensor = blocks.norm(run(blocks.layers[1:], read[None], order, order[:, None] >= order))
    return last[0]


def unmerged(model: LLMRecommender) -> Any:
    network: Any = copy.deepcopy(model.encoder.network)
    network.model.base_model.unmerge_adapter()
    return network.train()


def test_it_equals_a_masked_full_pass_forward_and_backward(model: LLMRecommender, toy_split: Split) -> None:
    sequences = Sequences.encode(toy_split.train.histories, model.catalog)
    batch = model.encoder.collate(sequences, Batch(0, np.array([[0, 0, 5], [1, 1, 4]])))
    states, gradients = [], []
    for masked in (False, True):
        network = unmerged(model)
        vectors = network.items()
        if masked:
            codes = [sequences[0][:5].tolist(), sequences[1][1:4].tolist()]
            hidden = [masked_pass(network, model.encoder.serializer, one, vectors) for one in codes]
        else:
            read = network.hidden(batch["tokens"], batch["placeholders"], vectors)
            hidden = [read[0], read[1, : batch["states"][1, 3] + 1]]
        # Not their squares: a norm makes the sum of these always the same.
        drawn = torch.randn(torch.cat(hidden).shape, generator=torch.Generator().manual_seed(0))
        (torch.cat(hidden) * drawn).sum().backward()
        named = network.named_parameters()
        gradients.append({name: value.grad for name, value in named if value.grad is not None})
        states.append(torch.cat(hidden).detach())
    torch.testing.assert_close(*states, atol=1e-4, rtol=1e-4)
    assert gradients[0].keys() == gradients[1].keys()
    assert any("layers.0" in name and float(value.abs().max()) > 0.1 for name, value in gradients[0].items())
    for name, value in gradients[0].items():
        torch.testing.assert_close(value, gradients[1][name], atol=1e-4, rtol=1e-4)


def test_packed_is_padded(model: LLMRecommender, toy_split: Split) -> None:
    sequences, network = Sequences.encode(toy_split.train.histories, model.catalog), unmerged(model)
    batch = model.encoder.collate(sequences, Batch(0, np.array([[0, 0, 5], [1, 1, 4]])))
    losses = []
    for network.pack in (False, True):
        losses.append(float(network(**batch).detach()))
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_a_line_is_read_once(model: LLMRecommender, monkeypatch: pytest.MonkeyPatch) -> None:
    """In any number of histories, and in a session each event costs the upper blocks its states alone."""
    read: list[int] = []
    plain = local_lines.LocalLines._read_lines

    def counted(self: Any, codes: torch.Tensor, *rest: Any) -> torch.Tensor:
        read.append(len(codes))
        return plain(self, codes, *rest)

    monkeypatch.setattr(local_lines.LocalLines, "_read_lines", counted)
    local = model.encoder.network.local
    assert local is not None
    local._cache = None
    model.embed_users(Histories.of([["3", "4", "3"], ["4", "3"], []]))
    assert sum(read) == 2
    session = model.session(["3", "4"])
    for item in ["3", "5", "4"]:
        session.append(item)
    assert sum(read) == 3
    lengths = [len(one) for one in (session._sizes, model.encoder.serializer.prefix)]
    assert session._cache.get_seq_length() == lengths[0] * local.n_states + lengths[1]
    np.testing.assert_allclose(
        session.state, model.embed_users(Histories.of([["3", "4", "3", "5", "4"]]))[0], atol=1e-4
    )


def test_what_a_report_shows_is_the_words(model: LLMRecommender) -> None:
    example = model.prompt_example(Histories.of([["3", "4"]]))
    assert "Film 03" in example["text"]
    assert example["text"].count("[Film") == (2 if model.recipe.history.encoding == "hybrid" else 0)
    assert "Drama" not in example["text"]
    n_states = 2 if model.recipe.history.boundary_states == "both" else 1
    serializer = model.encoder.serializer
    assert example["upper_tokens"] == len(serializer.prefix) + 2 * n_states
    assert example["tokens"] == len(serializer.prefix) + serializer.item_tokens.lengths[[3, 4]].sum()
    assert example["meaning"] == serializer.encoding.meaning
    assert "for each item by itself" in example["meaning"]


@pytest.mark.parametrize("targets", ["all-linear", "frozen"])
def test_what_is_not_trained_is_read_once_for_all_of_the_training(
    targets: str, tiny_recipe: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    plain = local_lines.LocalLines._read_lines

    def counted(self: Any, codes: torch.Tensor, *rest: Any) -> torch.Tensor:
        read.append(len(codes))
        return plain(self, codes, *rest)

    monkeypatch.setattr(local_lines.LocalLines, "_read_lines", counted)
    changes = ["lora.last_layers=1"] if targets == "frozen" else []
    model = fitted(tiny_recipe, toy_split, "text", *changes)
    model.score(toy_split.test.histories)
    assert (sum(read) <= len(model.catalog)) == (targets == "frozen")


@pytest.mark.parametrize(
    ("encoding", "changes", "said"),
    [
        ("soft", ["history.local_blocks=1"], "'soft' writes no lines .* choose text or hybrid"),
        ("text", ["history.local_blocks=-1"], "history.local_blocks: .* greater than or equal to 0"),
        ("text", ["history.local_blocks=2", "backbone.layers=2"], "at least one block must read .* at most 1"),
        ("text", ["history.local_blocks=1", "train.title_loss=0.1"], "none can be generated"),
        (
            "hybrid",
            ["history.local_blocks=1", "history.boundary_states=mean"],
            "leaves out the vector .* last or both",
        ),
        ("text", ["history.boundary_states=both"], "needs history.local_blocks above 0"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(
    encoding: str, changes: list[str], said: str, tiny_recipe: MakeRecipe
) -> None:
    with pytest.raises(RecipeError, match=said) as refused:
        from_recipe(tiny_recipe(encoding, *changes))
    assert "\n" not in str(refused.value)


def test_a_base_without_so_many_blocks_is_refused_before_training(
    tiny_recipe: MakeRecipe, toy_split: Split
) -> None:
    with pytest.raises(ModelError, match=r"history.local_blocks=2, but this base model has 2 blocks.*at most 1"):
        fitted(tiny_recipe, toy_split, "text", "history.local_blocks=2")
