"""The language-model loss on titles: by hand, every title once, nothing beyond the window."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from llmrec import Histories, Recipe, Split
from llmrec.data import Sequences
from llmrec.models import LLMRecommender
from llmrec.models.llm.item_loss import Losses
from llmrec.models.llm.title_loss import title_loss
from llmrec.training.batching import Batch


@pytest.fixture(scope="module")
def model(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> LLMRecommender:
    recipe = tiny_recipe("text", "train.epochs=1", "train.title_loss=0.5", "history.max_items=4")
    return LLMRecommender(recipe).fit(toy_split.train)


def sequences_of(model: LLMRecommender, *items: list[str]) -> Sequences:
    return Sequences.encode(Histories.of(list(items)), model.catalog)


def batch_of(model: LLMRecommender, sequences: Sequences) -> dict[str, torch.Tensor]:
    windows = np.array([[user, 0, length - 1] for user, length in enumerate(sequences.lengths())])
    return model.encoder.collate(sequences, Batch(0, windows))


def test_the_title_loss_is_the_language_model_s(model: LLMRecommender) -> None:
    sequences = sequences_of(model, ["3", "4", "9"])
    network, batch = model.encoder.network, batch_of(model, sequences)
    ids, prefix = batch["tokens"], int(batch["prefix"])
    with torch.no_grad():
        network.losses = Losses()
        catalog = float(network(**batch))
        network.losses = Losses(title=0.5)
        both = float(network(**batch))
        logits = network.model.get_base_model()(input_ids=ids).logits[0, prefix - 1 : -1].double()
    by_hand = torch.nn.functional.cross_entropy(logits, ids[0, prefix:])
    assert both - catalog == pytest.approx(0.5 * float(by_hand), abs=1e-3)


def test_every_title_is_learned_once(model: LLMRecommender) -> None:
    """The last of a window, too; not the first of one that goes on: nothing was read that predicts it."""
    sequences = sequences_of(model, ["3", "4", "9", "1"])
    batch = model.encoder.collate(sequences, Batch(0, np.array([[0, 0, 2], [0, 2, 3]])))
    network, lines = model.encoder.network, model.encoder.serializer.item_tokens
    first, later = sequences[0][:3], sequences[0][2:]
    losses, network.losses = network.losses, Losses(item=0, title=1.0)
    sums, n = 0.0, 0
    with torch.no_grad():
        found = float(network(**batch))
        for items, skipped in ((first, 0), (later, len(lines[int(later[0])]))):
            ids = np.concatenate([model.encoder.serializer.prefix, *(lines[int(code)] for code in items)])
            start = len(model.encoder.serializer.prefix) + skipped
            read, truth = torch.from_numpy(ids)[None], torch.from_numpy(ids[start:])
            logits = network.model.get_base_model()(input_ids=read).logits[0, start - 1 : -1].double()
            sums += float(torch.nn.functional.cross_entropy(logits, truth, reduction="sum"))
            n += len(truth)
    network.losses = losses
    assert n == sum(len(lines[int(code)]) for code in sequences[0])
    assert found == pytest.approx(sums / n, abs=1e-3)


def test_a_last_title_that_does_not_fit_is_cut(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> None:
    """Where two of the longest items are too much for the window, no position beyond it is read."""
    whole = LLMRecommender(tiny_recipe("text", "train.epochs=1", "train.title_loss=1")).fit(toy_split.train)
    serializer = whole.encoder.serializer
    room = len(serializer.prefix) + int(serializer.costs().max()) + 2
    recipe = tiny_recipe("text", "train.epochs=1", "train.title_loss=1", f"history.max_tokens={room}")
    model = LLMRecommender(recipe).fit(toy_split.train)
    batch = batch_of(model, sequences_of(model, ["3", "4"]))
    assert batch["tokens"].shape[1] == int(batch["n_tokens"]) == room
    assert np.isfinite(model.train_log[0]["loss"])


def test_the_title_loss_trains(tiny_recipe: Callable[..., Recipe], toy_split: Split) -> None:
    losses = {}
    for weight in (0.0, 1.0):
        recipe = tiny_recipe("text", "train.epochs=3", "train.batch_tokens=500", f"train.title_loss={weight}")
        model = LLMRecommender(recipe).fit(toy_split.train)
        network = model.encoder.network
        network.losses = Losses(title=1.0)
        batch = batch_of(model, sequences_of(model, ["3", "4", "5"], ["8", "9"]))
        with torch.no_grad():
            hidden = network.hidden(batch["tokens"], batch["placeholders"], network.items())
            losses[weight] = float(title_loss(network.model, hidden, batch["tokens"], batch["prefix"].expand(2)))
    assert losses[1.0] < losses[0.0] - 0.1


@pytest.mark.filterwarnings("ignore:.*tie.*:UserWarning")
def test_an_adapter_on_the_language_model_s_head_learns(
    tiny_recipe: Callable[..., Recipe], toy_split: Split
) -> None:
    recipe = tiny_recipe("text", "train.epochs=1", "train.title_loss=1", "lora.targets=[q_proj,lm_head]")
    network = LLMRecommender(recipe).fit(toy_split.train).encoder.network
    learned = {name: value for name, value in network.named_parameters() if "lm_head.lora_B" in name}
    assert learned
    assert all(bool(value.abs().sum() > 0) for value in learned.values())
