"""A network over texts whose items have a learned residual beside their text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from llmrec import Dataset, Recipe, Split, load
from llmrec.arrays import Float32s
from llmrec.models import Recommender, from_recipe

Make = Callable[..., Recipe]


@pytest.fixture(params=["gru-text", "gru-text-events"])
def make(request: pytest.FixtureRequest, tiny_base: Path) -> Make:
    def recipe(**sequence: object) -> Recipe:
        return Recipe.of(
            {
                "model": request.param,
                "text": {"encoder": str(tiny_base), "encoder_type": "causal"},
                "sequence": {"dim": 16, "max_items": 8, "dropout": 0.0, **sequence},
                "train": {"epochs": 5, "learning_rate": 0.05, "weight_decay": 0.0, "batch_tokens": 200},
            }
        )

    return recipe


def vectors(model: Recommender) -> Float32s:
    rows = model.item_vectors()
    assert rows is not None
    return rows


def by_text(model: Recommender) -> Float32s:
    """What the texts alone make of the items."""
    network = model.network  # type: ignore[attr-defined]
    with torch.inference_mode():
        projected: Float32s = network.project(network.texts).numpy()
    return projected


def test_items_of_one_text_are_told_apart(make: Make, toy_split: Split) -> None:
    alike = toy_split.train.catalog.table.with_columns(pl.lit("The same film").alias("title"))
    data = Dataset.from_tables(toy_split.train.events, items=alike.select("item_id", "title"))
    texts, ids = (vectors(from_recipe(make(id_residual=given)).fit(data)) for given in (False, True))
    assert np.ptp(texts, axis=0).max() < 1e-5
    assert np.ptp(ids, axis=0).max() > 0.1


def test_an_item_without_events_has_its_text_alone(make: Make, toy_split: Split) -> None:
    table = toy_split.train.catalog.table
    new = table.head(1).with_columns(item_id=pl.lit("new"), title=pl.lit("A new one"))
    data = Dataset.from_tables(
        toy_split.train.events, items=pl.concat([table, new]), name="more", keep_unseen_items=True
    )
    model = from_recipe(make(id_residual=True)).fit(data)
    residual = vectors(model) - by_text(model)
    row = model.catalog.codes(["new"])[0]
    assert np.abs(residual[row]).max() == 0
    assert np.abs(np.delete(residual, row, axis=0)).max(axis=1).min() > 0.01


def test_what_is_dropped_is_learned_by_texts(make: Make, toy_split: Split) -> None:
    """With every residual left out in training none is learned; in use none is left out."""
    model = from_recipe(make(id_residual=True, item_dropout=1.0)).fit(toy_split.train)
    np.testing.assert_array_equal(vectors(model), by_text(model))
    model = from_recipe(make(id_residual=True, item_dropout=0.5)).fit(toy_split.train)
    assert (np.abs(vectors(model) - by_text(model)).max(axis=1) > 0).all()


def test_residuals_are_saved(make: Make, toy_split: Split, tmp_path: Path) -> None:
    model = from_recipe(make(id_residual=True)).fit(toy_split.train)
    model.save(tmp_path / "run")
    again = load(tmp_path / "run")
    np.testing.assert_array_equal(vectors(again), vectors(model))
    histories = toy_split.test.histories
    np.testing.assert_allclose(again.score(histories), model.score(histories), atol=1e-6)


def test_an_item_of_another_text_keeps_its_residual(make: Make, toy_split: Split) -> None:
    model = from_recipe(make(id_residual=True)).fit(toy_split.train)
    before, residual = vectors(model).copy(), vectors(model) - by_text(model)
    model.update_items({"item_id": ["7"], "title": ["Quite another"]})
    row = model.catalog.codes(["7"])[0]
    assert np.abs(vectors(model)[row] - before[row]).max() > 0.001
    np.testing.assert_allclose(vectors(model) - by_text(model), residual, atol=1e-6)


def test_vectors_of_what_is_read_are_those_of_the_table(make: Make, toy_split: Split) -> None:
    network = from_recipe(make(id_residual=True)).fit(toy_split.train).network  # type: ignore[attr-defined]
    codes = torch.tensor([[3, 1, len(network.texts)], [1, 1, 0]])
    network.item_dropout = 0.0
    whole = network.eval().embed(codes)
    torch.testing.assert_close(network.train().embed(codes), whole)
