"""Members of a stack that read a base model: where it lies is theirs, as their own runs have it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.stack_logs import log_of, stacked

from llmrec import Dataset, Recipe, Split
from llmrec.data import toy_films
from llmrec.data.cleaning.pipeline import CleaningOptions
from llmrec.errors import ArtifactError, LlmrecError, RecipeError
from llmrec.models import LLMRecommender, StackedRecommender, from_recipe, load
from llmrec.models.stacking.features import LOGIT_KNOTS
from llmrec.models.stacking.files import WEIGHTS, read_weights
from llmrec.models.stacking.members import sized_recipes
from llmrec.models.tensors import write_tensors
from llmrec.reasons import explain


def test_a_member_whose_base_is_named_by_a_relative_path_is_fitted_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    toy_split: Split,
    tiny_recipe: Callable[..., Recipe],
    tiny_base: Path,
) -> None:
    shutil.copytree(tiny_base, tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    of_llm = tiny_recipe("soft", "train.epochs=1", "backbone.base=./base").to_yaml()
    Path("tiny.yaml").write_text(of_llm, encoding="utf-8")
    recipe, histories = stacked("tiny.yaml", "markov"), toy_split.test.histories
    first = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid, work_dir="work")
    monkeypatch.setattr(LLMRecommender, "_fit", lambda *_, **__: pytest.fail("fitted again"))
    again = from_recipe(recipe).fit(toy_split.train, valid=toy_split.valid, work_dir="work")
    np.testing.assert_array_equal(again.score(histories), first.score(histories))


@pytest.mark.parametrize(
    ("options", "times", "expected"),
    [
        ({}, True, ["popularity"]),
        ({}, False, ["popularity", "ease"]),
        ({"order_at_random": True}, True, ["popularity", "ease"]),
        ({"order_by_rows": True}, False, ["popularity"]),
    ],
)
def test_a_log_without_an_order_has_members_of_its_own(
    options: CleaningOptions, times: bool, expected: list[str]
) -> None:
    stack = {"members": ["popularity"], "unordered_members": ["ease"]}
    events = toy_films().events if times else toy_films().events.drop("timestamp")
    split = Split.leave_last_out(Dataset.from_tables(events, **options))
    model = from_recipe(Recipe.of({"name": "stack", "model": "stacked", "stack": stack}))
    assert isinstance(model, StackedRecommender)
    assert [recipe.name for recipe in sized_recipes(model.recipe, split.train)] == expected
    with pytest.raises(RecipeError, match="no-such-recipe"):
        from_recipe(Recipe.of({"model": "stacked", "stack": {**stack, "unordered_members": ["no-such-recipe"]}}))


def test_a_stack_with_an_llm_is_loaded_from_where_its_base_lies_now(
    tmp_path: Path, toy_split: Split, tiny_recipe: Callable[..., Recipe], tiny_base: Path
) -> None:
    base, recipe = tmp_path / "base", tmp_path / "tiny.yaml"
    shutil.copytree(tiny_base, base)
    recipe.write_text(tiny_recipe("soft", "train.epochs=1", f"backbone.base={base}").to_yaml(), encoding="utf-8")
    model = from_recipe(stacked(str(recipe), "item-knn")).fit(toy_split.train, valid=toy_split.valid)
    assert model.narration_base == str(base)
    model.save(tmp_path / "run")
    base.rename(tmp_path / "moved")
    with pytest.raises(LlmrecError):
        load(tmp_path / "run")
    again = load(tmp_path / "run", base=tmp_path / "moved")
    histories = toy_split.test.histories
    np.testing.assert_array_equal(again.score(histories), model.score(histories))
    reasons = explain(again, again.recommend(histories[:2], 2), histories[:2])
    assert len(reasons) == 4


def test_a_report_shows_what_the_llm_of_a_stack_reads(
    toy_split: Split, tiny_recipe: Callable[..., Recipe]
) -> None:
    llm = from_recipe(tiny_recipe("soft", "train.epochs=1")).fit(toy_split.train)
    rule = from_recipe(Recipe(model="markov")).fit(toy_split.train)
    histories = toy_split.test.histories
    shown = StackedRecommender.of([rule, llm], toy_split).prompt_example(histories)
    assert shown is not None
    assert shown == llm.prompt_example(histories)
    assert StackedRecommender.of([rule], toy_split).prompt_example(histories) is None


def test_weights_of_an_earlier_version_have_no_hinges_and_score_as_before(tmp_path: Path) -> None:
    split = Split.leave_last_out(log_of(0.5))
    stack = StackedRecommender.of(
        [from_recipe(Recipe.load(name)).fit(split.train) for name in ("markov", "popularity")], split
    )
    stack.logit.hinges[:] = 0  # what a run without them says
    arrays = {name: getattr(stack.logit, name) for name in ("weights", "mean", "scale", "low", "high")}
    write_tensors(tmp_path / WEIGHTS, {**arrays, "counts": stack._counts})
    names = [member.recipe.name for member in stack.members]
    histories, expected = split.test.histories, stack.score(split.test.histories)
    stack.logit, _ = read_weights(tmp_path, stack.members, stack.catalog, names=names)
    assert stack.logit.knots.shape == (2, 0)
    np.testing.assert_array_equal(stack.score(histories), expected)
    half = {**arrays, "hinges": np.zeros((2, len(LOGIT_KNOTS))), "counts": stack._counts}
    write_tensors(tmp_path / WEIGHTS, half)
    with pytest.raises(ArtifactError, match="knots"):
        read_weights(tmp_path, stack.members, stack.catalog, names=names)
