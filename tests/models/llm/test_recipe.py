"""Recipe values of an LLM recommender that contradict each other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llmrec import Recipe
from llmrec.errors import RecipeError
from llmrec.models import from_recipe

MakeRecipe = Callable[..., Recipe]


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
