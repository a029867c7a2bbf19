"""Repeat bias of an LLM recommender: training, recommendations, sessions and files agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from llmrec import Histories, Recipe, Split
from llmrec.models import LLMRecommender, load
from llmrec.training.batching import Batch

STEPS = ["3", "7", "3", "9", "7", "0", "2"]
MakeRecipe = Callable[..., Recipe]


def fitted(recipe: Recipe, split: Split) -> LLMRecommender:
    """Train a little, and give the repeat bias some size."""
    model = LLMRecommender(recipe).fit(split.train)
    assert model.encoder.network.repeat_bias is not None
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.encoder.network.repeat_bias.parameters():
            weight.normal_(std=3)
    model.exclude_seen = False
    return model


@pytest.fixture(scope="module", params=("text", "soft"))
def model(request: pytest.FixtureRequest, tiny_recipe: MakeRecipe, toy_split: Split) -> LLMRecommender:
    recipe = tiny_recipe(request.param, "train.epochs=1", "history.max_items=5", "history.repeat_bias=true")
    return fitted(recipe, toy_split)


def test_answers_and_sessions_are_by_the_same_scores(model: LLMRecommender) -> None:
    session = model.session()
    for n, item in enumerate(STEPS, 1):  # beyond the window of five, too
        session.append(item)
        history = Histories.of([STEPS[:n]])
        scores = model.score(history)[0]
        told = model.recommend(history, 12)
        np.testing.assert_allclose(told["score"], np.sort(scores)[::-1], atol=1e-5)
        assert session.recommend(12)["item_id"].to_list() == told["item_id"].to_list()
        np.testing.assert_allclose(session.recommend(12)["score"], told["score"], atol=1e-3)


def test_only_what_is_read_counts(model: LLMRecommender) -> None:
    items = model.state.items
    plain = model.embed_users(Histories.of([STEPS])) @ items.vectors.T * items.temperature + items.biases
    differs = np.abs(model.score(Histories.of([STEPS])) - plain)[0] > 1e-3
    assert {model.catalog.ids[code] for code in np.flatnonzero(differs)} == set(STEPS[-5:])


def test_seen_items_can_be_left_out_still(model: LLMRecommender) -> None:
    told = model.recommend(Histories.of([STEPS]), 12, exclude_seen=True)
    assert not set(told["item_id"]) & set(STEPS)


def test_a_saved_model_scores_the_same(model: LLMRecommender, tmp_path: Path) -> None:
    model.save(tmp_path / "run")
    found = load(tmp_path / "run")
    np.testing.assert_allclose(found.score(Histories.of([STEPS])), model.score(Histories.of([STEPS])), atol=1e-4)


def test_new_items_can_be_repeated(tiny_recipe: MakeRecipe, toy_split: Split) -> None:
    model = fitted(tiny_recipe("soft", "train.epochs=1", "history.repeat_bias=true"), toy_split)
    scores = model.score(Histories.of([STEPS]))
    model.add_items({"item_id": ["new"], "title": ["Film 99: New"]})
    np.testing.assert_allclose(model.score(Histories.of([STEPS]))[:, :-1], scores, atol=1e-4)
    assert np.isfinite(model.score(Histories.of([["new", "3", "new"]]))).all()


def test_the_sampled_loss_by_hand(
    tiny_recipe: MakeRecipe, toy_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted(
        tiny_recipe("soft", "train.epochs=1", "history.repeat_bias=true", "train.negatives=5"), toy_split
    )
    network, history = model.encoder.network, Histories.of([STEPS])
    drawn = torch.tensor([1, 3, 7, 8, 11])
    monkeypatch.setattr(torch, "multinomial", lambda *_, **__: drawn)
    sequences = model.sequences_of(history)
    with torch.no_grad():
        loss = float(network(**model.encoder.collate(sequences, Batch(0, np.array([[0, 0, len(STEPS) - 1]])))))
    each = []
    for place, item in enumerate(STEPS):
        scores = torch.from_numpy(model.score(Histories.of([STEPS[:place]]))[0]) - network.log_q
        code = model.catalog.code(item)
        others = scores[drawn[drawn != code]]
        each.append(float(torch.logsumexp(torch.cat([scores[code][None], others]), 0) - scores[code]))
    assert loss == pytest.approx(np.mean(each), abs=1e-4)
