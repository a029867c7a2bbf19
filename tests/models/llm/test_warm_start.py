"""A warm start: id residuals begin at the item vectors of another run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from llmrec import Recipe, Split
from llmrec.errors import RecipeError
from llmrec.models import LLMRecommender, from_recipe

MakeRecipe = Callable[..., Recipe]


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
