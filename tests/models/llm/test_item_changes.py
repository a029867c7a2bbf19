"""Items that come after training: encoded and indexed at once, everything else as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from llmrec import Histories, Recipe, Split
from llmrec.errors import DataError, RecipeError
from llmrec.models import LLMRecommender

NEW = pl.DataFrame({"item_id": ["new-1", "new-2"], "title": ["Film 99: Broken Garden", "A quite other thing"]})
SEEN = Histories.of([["3", "4"], []])


@pytest.fixture(params=("frozen", "finetuned"))
def model(request: pytest.FixtureRequest, tiny_recipe: Callable[..., Recipe], toy_split: Split) -> LLMRecommender:
    recipe = tiny_recipe("soft", "train.epochs=1", f"head.item_encoder={request.param}", "head.refresh_every=3")
    return LLMRecommender(recipe).fit(toy_split.train)


def test_they_are_recommendable_at_once_and_the_rest_stays(model: LLMRecommender, tmp_path: Path) -> None:
    scores = model.score(SEEN)
    model.add_items(NEW.with_columns(colour=pl.lit("red")))
    after = model.score(SEEN)
    assert after.shape == (2, 14)
    np.testing.assert_allclose(after[:, :12], scores, atol=1e-5)
    assert {"new-1", "new-2"} <= set(model.recommend(Histories.of([[]]), 14)["item_id"])
    assert model.similar_items(["new-1"], 3).height == 3
    history = Histories.of([["3", "new-1"], ["3", "new-2"]])
    assert np.abs(np.diff(model.score(history), axis=0)).max() > 1e-4  # it is read, too
    model.save(tmp_path / "run")
    again = LLMRecommender.load(tmp_path / "run")
    np.testing.assert_allclose(again.score(history), model.score(history), atol=1e-5)
    assert again.metadata["added_items"] == 2


def test_their_vector_is_that_of_their_text(model: LLMRecommender) -> None:
    """An item with the text of a known one has the text encoding of that one."""
    twin = model.catalog.titles[5]
    model.add_items(pd.DataFrame({"item_id": ["twin"], "title": [twin]}))
    np.testing.assert_allclose(model.state.encodings.texts[-1], model.state.encodings.texts[5], atol=1e-4)
    assert not model.encoder.network.items.known[-1]
    known = model.state.items.biases[:-1]
    assert model.state.items.biases[-1] == pytest.approx(float(np.quantile(known, 0.5)), abs=1e-5)


def test_their_bias_can_be_set(model: LLMRecommender) -> None:
    model.add_items(NEW)
    for quantile in (0.0, 1.0):
        model.set_cold_bias(quantile)
        biases = model.state.items.biases
        assert biases[-1] == pytest.approx(float(np.quantile(biases[:12], quantile)), abs=1e-6)
        assert model.recipe.head.cold_bias == quantile
    with pytest.raises(RecipeError, match="cold_bias"):
        model.set_cold_bias(1.5)


def test_no_new_items_change_nothing(model: LLMRecommender) -> None:
    scores = model.score(SEEN)
    with pytest.raises(DataError, match="new items: the table has no row"):
        model.add_items(NEW.head(0))
    np.testing.assert_array_equal(model.score(SEEN), scores)
    assert "added_items" not in model.metadata


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"item_id": ["3"], "title": ["again"]}, "in the catalog already"),
        ({"item_id": ["n", "n"], "title": ["one", "two"]}, "several rows"),
        ({"item_id": ["n"], "title": [" "]}, "no title"),
        ({"item_id": ["n"]}, "no column title"),
    ],
)
def test_bad_items_are_refused(
    tiny_recipe: Callable[..., Recipe], toy_split: Split, rows: dict[str, list[str]], said: str
) -> None:
    model = LLMRecommender(tiny_recipe("soft", "train.epochs=1")).fit(toy_split.train)
    with pytest.raises(DataError, match=said):
        model.add_items(pl.DataFrame(rows))
    assert len(model.catalog) == 12
