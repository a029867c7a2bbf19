"""Baskets: with train.targets=strictly_before their events are all predicted from strictly earlier ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from llmrec import Dataset, Histories, Recipe
from llmrec.data import Sequences
from llmrec.errors import RecipeError
from llmrec.models import Recommender, from_recipe, load
from llmrec.models.fit_network import training_sequences
from llmrec.training.batching import Batch

KINDS = ("gru", "sasrec", "gru-events", "llm")


def baskets(n_users: int = 12, *, seed: int = 0) -> Dataset:
    """Four visits each, of one to three of twelve items."""
    draw, rows = np.random.default_rng(seed), []
    for user in range(n_users):
        for visit in range(4):
            for item in draw.permutation(12)[: draw.integers(1, 4)]:
                rows.append((f"u{user}", str(item), 86400 * visit))
    items = {"item_id": [str(n) for n in range(12)], "title": [f"Film {n:02d}" for n in range(12)]}
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return Dataset.from_tables(events, items=items, name="baskets", time_format="seconds")


def recipe_of(kind: str, tiny_recipe: Callable[..., Recipe], *, targets: str) -> Recipe:
    if kind == "llm":
        return tiny_recipe("soft", "train.epochs=1", f"train.targets={targets}", "history.max_items=20")
    train = {"epochs": 1, "targets": targets}
    return Recipe.of({"model": kind, "sequence": {"dim": 16, "dropout": 0.0}, "train": train})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("targets", ["event", "strictly_before", "both"])
@pytest.mark.parametrize("repeat_bias", [False, True])
def test_the_loss_by_hand(kind: str, targets: str, repeat_bias: bool, tiny_recipe: Callable[..., Recipe]) -> None:
    """Cross-entropy of every item under the scores after its strictly earlier events, or all earlier ones."""
    data = baskets(4)
    recipe = recipe_of(kind, tiny_recipe, targets=targets).with_values({"history.repeat_bias": repeat_bias})
    model = from_recipe(recipe).fit(data)
    if repeat_bias:
        randomize_repeat_bias(model)
    if targets == "both":
        zero_in_basket(model)
    sequences = training_sequences(model, data)
    assert (sequences.n_visible is None) == (targets == "event")
    batch = Batch(0, np.array([[user, 0, length - 1] for user, length in enumerate(sequences.lengths())]))
    collate = model.encoder.collate if kind == "llm" else model._collate  # type: ignore[attr-defined]
    with torch.no_grad():
        loss = float(network_of(model)(**collate(sequences, batch)))
    each = []
    for user in range(len(data.histories)):
        events = data.histories.take([user]).events
        for position, (item, time) in enumerate(events.select("item_id", "timestamp").iter_rows()):
            visible = {"event": events[:position], "strictly_before": events.filter(pl.col("timestamp") < time)}
            earlier = Histories.of(
                [visible["strictly_before" if targets == "both" else targets]["item_id"].to_list()]
            )
            predictions = [model.score(earlier)[0].astype(np.float64)]
            if targets == "both" and len(visible["event"]) > len(visible["strictly_before"]):
                predictions.append(in_basket_scores(model, earlier))
            for scores in predictions:
                each.append(np.log(np.exp(scores).sum()) - scores[model.catalog.code(item)])
    assert loss == pytest.approx(np.mean(each), abs=1e-4)


def network_of(model: Recommender) -> torch.nn.Module:
    network = model.encoder.network if model.kind == "llm" else model.network  # type: ignore[attr-defined]
    assert isinstance(network, torch.nn.Module)
    return network


def randomize_repeat_bias(model: Recommender) -> None:
    """Give the repeat bias weights of some size: training has hardly begun."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in network_of(model).get_submodule("repeat_bias").parameters():
            weight.normal_()


def zero_in_basket(model: Recommender) -> None:
    """Let in-basket predictions know nothing of their states, so that they differ from all others."""
    with torch.no_grad():
        for weight in network_of(model).get_submodule("in_basket").parameters():
            weight.zero_()


def in_basket_scores(model: Recommender, earlier: Histories) -> np.ndarray:
    """The scores of such a prediction: item biases, and the repeat bias of a user vector of zeros."""
    network = network_of(model)
    scores = network.get_parameter("bias").detach()[None].clone()
    if network.repeat_bias is not None:
        repeat_bias, codes = network.get_submodule("repeat_bias"), model.sequences_of(earlier).codes
        inputs = torch.from_numpy(codes.astype(np.int64))[None]
        user = torch.zeros((1, repeat_bias.of_user.in_features))  # type: ignore[arg-type, union-attr]
        with torch.no_grad():
            scores.scatter_add_(1, *repeat_bias(user, inputs, torch.tensor([0]), torch.tensor([len(codes)])))
    exact: np.ndarray = scores[0].numpy().astype(np.float64)
    return exact


def test_a_window_inside_one_basket_has_no_loss() -> None:
    data = baskets(1)
    model = from_recipe(Recipe.of({"model": "gru", "train": {"epochs": 1, "targets": "strictly_before"}})).fit(
        data
    )
    n = data.events.height
    sequences = Sequences(
        np.zeros(n, dtype=np.int32), np.array([0, n]), n_visible=np.zeros((n, 1), dtype=np.int64)
    )
    tensors = model._collate(sequences, Batch(0, np.array([[0, 1, n - 1]])))  # type: ignore[attr-defined]
    assert (tensors["context_positions"] == -1).all()
    assert model.network(**tensors).item() == 0  # type: ignore[attr-defined]


def test_unknown_items_do_not_count_as_earlier() -> None:
    data = baskets(2)
    catalog = type(data.catalog)(data.catalog.table.filter(pl.col("item_id") != "3"))
    sequences = Sequences.strictly_before(Sequences.encode(data.histories, catalog), data.histories, catalog)
    assert sequences.n_visible is not None
    known = data.events.filter(pl.col("item_id") != "3")
    by_hand = [
        known.filter(pl.col("user_id") == user, pl.col("timestamp") < time).height
        for user, time in known.select("user_id", "timestamp").iter_rows()
    ]
    assert sequences.n_visible[:, 0].tolist() == by_hand


def test_a_bidirectional_model_is_refused() -> None:
    with pytest.raises(RecipeError, match="must be event"):
        from_recipe(Recipe.of({"model": "bert4rec", "train": {"targets": "strictly_before"}}))
    for kind in ("bert4rec", "als"):
        with pytest.raises(RecipeError, match=f"{kind} reads no section history; it reads "):
            from_recipe(Recipe.of({"model": kind, "history": {"repeat_bias": True}}))


@pytest.mark.parametrize("kind", ["gru", "gru-events"])
def test_a_saved_network_scores_the_same(kind: str, tmp_path: Path, tiny_recipe: Callable[..., Recipe]) -> None:
    recipe = recipe_of(kind, tiny_recipe, targets="both").with_values({"history.repeat_bias": True})
    model = from_recipe(recipe).fit(baskets())
    randomize_repeat_bias(model)
    model.save(tmp_path / "run")
    histories = Histories.of([["1", "2", "1"], []])
    np.testing.assert_allclose(load(tmp_path / "run").score(histories), model.score(histories), atol=1e-6)
