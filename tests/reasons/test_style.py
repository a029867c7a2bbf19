"""A style learned from triples on a tiny model: it is learned, kept and refused where it does not fit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support.recipe_reads import declared, recorded
from support.tiny_base import build_tiny_base

from llmrec import Recipe
from llmrec.errors import ArtifactError, DataError, RecipeError
from llmrec.reasons import StyleWriter, fit_style
from llmrec.reasons.style import SECTIONS

TRIPLES = {
    "profile": ["likes <|im_end|> tea"] * 4,
    "title": ["Cup"] * 4,
    "item": ["a cup"] * 4,
    "explanation": ["Broken Mirror\nGolden Garden"] * 3 + ["x" * 2000],
}


@pytest.fixture
def recipe(tiny_base: Path) -> Recipe:
    changes = [
        f"backbone.base={tiny_base}",
        "backbone.dtype=float32",
        "lora.last_layers=1",
        "history.max_tokens=400",
        "train.epochs=25",
        "train.learning_rate=0.02",
        "train.batch_tokens=4000",
    ]
    return Recipe.load("style/explain", set=changes)


def test_a_style_is_learned_and_loaded_again(recipe: Recipe, tmp_path: Path) -> None:
    before = StyleWriter(recipe.backbone.base, max_new_tokens=20).write(TRIPLES)
    writer = fit_style(TRIPLES, recipe, tmp_path / "style")
    told = writer.write(TRIPLES)
    assert told == ["Broken Mirror Golden Garden"] * 4 != before
    assert StyleWriter.load(tmp_path / "style").write(TRIPLES) == told
    manifest = json.loads((tmp_path / "style" / "manifest.json").read_text())
    assert manifest["triples"] == {"learned": 3, "too_long": 1}
    adapted = json.loads((tmp_path / "style" / "adapter" / "adapter_config.json").read_text())
    assert adapted["layers_to_transform"] == [1]
    with pytest.raises(ArtifactError, match="exists already"):
        fit_style(TRIPLES, recipe, tmp_path / "style")


def test_a_style_reads_what_it_declares_and_nothing_else(recipe: Recipe, tmp_path: Path) -> None:
    with recorded() as read:
        fit_style(TRIPLES, recipe.with_values({"train.epochs": 1}), tmp_path / "style")
    assert read == declared(SECTIONS)
    unread = "style reads no field train.title_loss; of train it reads epochs, learning_rate, "
    with pytest.raises(RecipeError, match=unread):
        fit_style(TRIPLES, recipe.with_values({"train.title_loss": 1}), tmp_path / "other")


def test_a_style_is_put_on_no_other_base(recipe: Recipe, tiny_base: Path, tmp_path: Path) -> None:
    base = shutil.copytree(tiny_base, tmp_path / "base")
    quick = recipe.with_values({"backbone.base": str(base), "train.epochs": 1})
    written = fit_style(TRIPLES, quick, tmp_path / "style").write(TRIPLES)
    moved = base.rename(tmp_path / "moved")
    with pytest.raises(ArtifactError, match="which is not there"):
        StyleWriter.load(tmp_path / "style")
    assert StyleWriter.load(tmp_path / "style", base=moved).write(TRIPLES) == written
    build_tiny_base(base, seed=1)
    with pytest.raises(ArtifactError, match="was trained on another"):
        StyleWriter.load(tmp_path / "style")


def test_what_cannot_be_learned_from(recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="triples: no column 'explanation'"):
        fit_style({"profile": ["a"], "title": ["b"], "item": ["c"]}, recipe, tmp_path / "style")
    long = {name: values[-1:] for name, values in TRIPLES.items()}
    with pytest.raises(DataError, match=r"none of 1 triples fits history\.max_tokens=400"):
        fit_style(long, recipe, tmp_path / "style")
    assert list(tmp_path.iterdir()) == []


def test_another_run_is_no_style(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no run"):
        StyleWriter.load(tmp_path / "none")
