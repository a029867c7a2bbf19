"""Recipe values of an LLM recommender that contradict each other, and those that recipes had once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.sealed import seal

import llmrec
from llmrec import Recipe, Split
from llmrec.cli.app import run as command
from llmrec.errors import RecipeError
from llmrec.models import from_recipe
from llmrec.models.runs import fit_run

MakeRecipe = Callable[..., Recipe]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("train.item_loss=0",), "nothing to learn"),
        (("train.title_loss=0.1",), "no titles to learn"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(
    changes: tuple[str, ...], said: str, tiny_recipe: MakeRecipe
) -> None:
    with pytest.raises(RecipeError, match=said):
        from_recipe(tiny_recipe("soft", *changes))


def test_a_run_of_before_a_field_was_taken_out_is_read_and_gone_on_with(
    tiny_recipe: MakeRecipe, toy_split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``head.warm_start``, which named a run whose item vectors residuals began at: null in most runs."""
    recipe, out = tiny_recipe("soft", "train.epochs=1"), tmp_path / "run"
    scores = fit_run(recipe, toy_split.train, toy_split, out, progress=False).score(toy_split.test.histories)
    assert "warm_start" not in (out / "recipe.yaml").read_text(encoding="utf-8")
    _say_in(out, warm_start=None)
    loaded = llmrec.load(out)
    np.testing.assert_array_equal(loaded.score(toy_split.test.histories), scores)
    fit_run(recipe, toy_split.train, toy_split, out, resume=True, progress=False)  # it is this recipe's
    assert loaded.recipe == from_recipe(Recipe.load(out / "recipe.yaml")).recipe  # which repeats the run
    loaded.save(tmp_path / "again")
    assert "warm_start" not in (tmp_path / "again" / "recipe.yaml").read_text(encoding="utf-8")

    _say_in(out, warm_start="runs/sasrec")
    assert command(["recommend", str(out), "--history", "1"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"{out} was fitted by an earlier version of llmrec" in line
    assert "head.warm_start was taken out of recipes" in line and "(got 'runs/sasrec')" in line
    assert line.endswith("fit it again: llmrec fit RECIPE --data DIR --out RUN")


def _say_in(run: Path, **head: str | None) -> None:
    """Write fields into ``head`` of a run's recipe."""
    path = run / "recipe.yaml"
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(values | {"head": values["head"] | head}, sort_keys=False), encoding="utf-8")
    seal(run)
