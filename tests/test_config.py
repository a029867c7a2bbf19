"""Recipes: a typo stops at once, what is written can be run again, secrets stay out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from llmrec import Recipe
from llmrec.config import names
from llmrec.errors import RecipeError


def test_a_recipe_survives_its_own_yaml(tmp_path: Path) -> None:
    assert names()
    for name in names():
        recipe = Recipe.load(name)
        (tmp_path / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
        assert Recipe.load(tmp_path / "recipe.yaml") == recipe
        # Every field is written, the defaults too.
        assert set(yaml.safe_load(recipe.to_yaml())["train"]) == set(type(recipe.train).model_fields)


def test_values_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().train.epochs = 3


def test_set_overrides_with_yaml_values() -> None:
    changes = ["train.epochs=3", "backbone.layers=null", "head.id_residual=false", "lora.targets=[q_proj,v_proj]"]
    recipe = Recipe.load("quickstart", set=changes)
    assert (recipe.train.epochs, recipe.backbone.layers, recipe.head.id_residual) == (3, None, False)
    assert recipe.lora.targets == ["q_proj", "v_proj"]
    assert recipe.train.batch_tokens == Recipe.load("quickstart").train.batch_tokens


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("train.epoch=3", "train.epoch: no such field"),
        ("trian.epochs=3", "trian: no such field"),
        ("train.epochs=0", "train.epochs: Input should be greater than 0"),
        ("train.epochs=x", r"train.epochs: .* \(got 'x'\)"),
        ("history.encoding=hybird", "history.encoding: Input should be 'text', 'soft' or 'hybrid'"),
        ("backbone.dtype=float16", "backbone.dtype"),
        ("train.epochs", "write it as field=value"),
        ("train=3", "train: "),
    ],
)
def test_a_typo_stops_at_once_with_the_field(change: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told) as error:
        Recipe.load("quickstart", set=[change])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "model: [", "\x00", "train: 3"])
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"bad\.yaml") as error:
        Recipe.load(tmp_path / "bad.yaml")
    assert "\n" not in str(error.value)


def test_names_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no recipe 'quickstrat'; there are .*quickstart"):
        Recipe.load("quickstrat")
    with pytest.raises(RecipeError, match="there is no recipe file"):
        Recipe.load(tmp_path / "no.yaml")


def test_a_secret_of_the_environment_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    (tmp_path / "r.yaml").write_text("name: ${oc.env:SECRET_TOKEN}\nmodel: gru\n", encoding="utf-8")
    recipe = Recipe.load(tmp_path / "r.yaml", set=["seed=1"])
    assert "hunter2" not in recipe.to_yaml()


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("name: !!python/object/apply:os.getcwd []\n", encoding="utf-8")
    with pytest.raises(RecipeError, match="is not YAML"):
        Recipe.load(tmp_path / "r.yaml")
