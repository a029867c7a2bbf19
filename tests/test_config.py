"""Recipes: a typo stops at once, what is written can be run again, secrets stay out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from llmrec import Recipe
from llmrec.cli.app import run
from llmrec.config import names
from llmrec.errors import RecipeError


def test_a_recipe_survives_its_own_yaml(tmp_path: Path) -> None:
    assert names()
    for name in names():
        recipe = Recipe.load(name)
        (tmp_path / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
        assert Recipe.load(tmp_path / "recipe.yaml") == recipe
        assert Recipe.of(recipe.model_dump()) == recipe


def test_a_complete_recipe_holds_all_that_is_read_and_nothing_else() -> None:
    recipe = Recipe.of({"name": "mine", "model": "m", "train": {"epochs": 3}, "options": {"depth": 2}})
    complete = recipe.complete(("train", "history.events", "tasks"), {"depth": 1, "wide": False})
    written = yaml.safe_load(complete.to_yaml())
    assert set(written) == {"name", "model", "seed", "train", "history", "tasks", "options"}
    assert set(written["train"]) == set(type(recipe.train).model_fields)
    assert written["train"]["epochs"] == 3
    assert written["history"] == {"events": []}
    assert written["options"] == {"depth": 2, "wide": False}
    assert Recipe.of(written) == complete
    assert complete.complete(("train", "history.events", "tasks"), {"depth": 1, "wide": False}) == complete


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lora": {"r": 4}}, "m reads no section lora; it reads sequence, history, options: leave it out"),
        ({"lora": {"r": 16}}, "m reads no section lora"),  # also where the value is the default
        ({"lora": {}}, "m reads no section lora"),
        ({"tasks": []}, "m reads no section tasks"),
        (
            {"history": {"events": [], "max_items": 3}},
            r"m reads no field history\.max_items; of history it reads events: ",
        ),
        ({"options": {"width": 3}}, "m has no option 'width'; it has depth, rate, fast, names"),
        ({"options": {"depth": 2.5}}, "options.depth: 2.5 is no value like 1, the default of m"),
        ({"options": {"depth": True}}, "options.depth: True is no value like 1"),
        ({"options": {"depth": None}}, "options.depth: None is no value like 1"),
        ({"options": {"rate": "high"}}, "options.rate: 'high' is no value like 0.5"),
        ({"options": {"fast": 1}}, "options.fast: 1 is no value like False"),
    ],
)
def test_what_a_model_does_not_read_is_refused(values: dict[str, Any], message: str) -> None:
    defaults: dict[str, Any] = {"depth": 1, "rate": 0.5, "fast": False, "names": None}
    with pytest.raises(RecipeError, match=message):
        Recipe.of({"model": "m", **values}).complete(("sequence", "history.events"), defaults)


@pytest.mark.parametrize("path", ["trian", "train.epoch", "tasks.rating"])
def test_a_declaration_of_what_no_recipe_has_is_refused(path: str) -> None:
    with pytest.raises(RecipeError, match=f"m declares that it reads {path}, which no recipe has"):
        Recipe(model="m").complete(("history.events", path))


def test_options_take_values_like_their_defaults() -> None:
    defaults: dict[str, Any] = {"rate": 0.5, "names": None, "sizes": [1]}
    options = {"rate": 2, "names": ["a"], "sizes": [3, 4]}
    assert Recipe.of({"model": "m", "options": options}).complete((), defaults).options == options
    with pytest.raises(RecipeError, match="m reads no section options; it reads none"):
        Recipe.of({"model": "m", "options": options}).complete(())
    with pytest.raises(RecipeError, match=r"options\.rate"):  # values are scalars and lists of them
        Recipe.of({"options": {"rate": {"a": 1}}})


def test_values_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().train.epochs = 3


def test_it_knows_what_was_changed_by_hand_which_is_no_part_of_it() -> None:
    """Of a section that is given as a whole, each field; what was changed to what it was, too."""
    read = Recipe.load("gru")
    epochs = read.train.epochs
    changed = Recipe.load("gru", set=[f"train={{epochs: {epochs}}}", "seed=0"])
    assert changed.changed == {"train.epochs", "seed"} and not read.changed
    assert read.with_values({"train": {"epochs": epochs}}).with_values({"seed": 0}).changed == {
        "train.epochs",
        "seed",
    }
    assert changed == Recipe.load("gru", set={"seed": 0}) and dict(changed).keys() == dict(read).keys()
    assert changed.to_yaml() == Recipe.load("gru", set=["seed=0"]).to_yaml()


def test_set_overrides_with_yaml_values() -> None:
    changes = ["train.epochs=3", "backbone.layers=null", "head.id_residual=false", "lora.targets=[q_proj,v_proj]"]
    recipe = Recipe.load("quickstart", set=changes)
    assert (recipe.train.epochs, recipe.backbone.layers, recipe.head.id_residual) == (3, None, False)
    assert recipe.lora.targets == ["q_proj", "v_proj"]
    assert recipe.train.batch_tokens == Recipe.load("quickstart").train.batch_tokens


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("train.epoch=3", "train.epoch: no such field; did you mean train.epochs?"),
        ("trian.epochs=3", "trian: no such field; did you mean train?"),
        ("train.epochs=0", "train.epochs: Input should be greater than 0"),
        ("train.epochs=x", r"train.epochs: .* \(got 'x'\)"),
        ("backbone.dtype=float16", "backbone.dtype"),
        ("train.epochs", "write it as field=value"),
        ("train=3", "train: "),
    ],
)
def test_a_typo_stops_at_once_with_the_field(change: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told) as error:
        Recipe.load("quickstart", set=[change])
    assert "\n" not in str(error.value)


def test_a_field_that_is_gone_is_read_over_where_it_did_nothing(tmp_path: Path) -> None:
    """A run of before holds it, and so does a recipe that was written then."""
    values = {"model": "llm", "head": {"dim": 8, "warm_start": None}}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    for recipe in (Recipe.load(tmp_path / "r.yaml"), Recipe.of(values), Recipe(model="llm").with_values(values)):
        assert recipe.to_yaml() == Recipe.of({"model": "llm", "head": {"dim": 8}}).to_yaml()
    assert values["head"] == {"dim": 8, "warm_start": None}  # as it was given
    with pytest.raises(RecipeError, match=r"head: Input should be a valid dictionary"):
        Recipe.of({"head": ["warm_start"]})
    with pytest.raises(RecipeError, match="should be a valid dictionary"):
        Recipe.of(["head"])  # type: ignore[arg-type]
    assert Recipe.of(recipe) is recipe  # type: ignore[arg-type]


def test_a_field_that_is_gone_is_refused_where_it_did_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("model: llm\nhead: {warm_start: runs/sasrec}\n", encoding="utf-8")
    written = ["fit", str(recipe), "--data", str(tmp_path / "d"), "--out", str(tmp_path / "run")]
    changed = ["fit", "quickstart", "--set", "head.warm_start=runs/sasrec", *written[2:]]
    for words, source in ((written, str(recipe)), (changed, "quickstart")):
        assert run(words) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {source}: head.warm_start was taken out of recipes, as ")
        assert line.endswith("; leave it out (got 'runs/sasrec')")


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "model: [", "\x00", "train: 3"])
def test_a_file_that_is_no_recipe(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=r"bad\.yaml") as error:
        Recipe.load(tmp_path / "bad.yaml")
    assert "\n" not in str(error.value)


def test_names_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"no recipe 'quickstrat': did you mean quickstart\? `llmrec recipes` lists them"
    ):
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
