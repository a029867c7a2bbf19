"""A model reads what its class declares of a recipe: all else is refused, and its run holds nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.sealed import seal

from llmrec import Recipe, load
from llmrec.cli.app import run
from llmrec.config import names
from llmrec.data import toy_films
from llmrec.errors import ArtifactError, RecipeError
from llmrec.models import from_recipe
from llmrec.models.baselines.markov import MarkovRecommender
from llmrec.models.registry import SHIPPED, class_of


@pytest.mark.parametrize("name", names())
def test_the_recipe_of_a_model_holds_what_it_declares_and_nothing_else(name: str) -> None:
    recipe = from_recipe(Recipe.load(name)).recipe
    written = yaml.safe_load(recipe.to_yaml())
    known = class_of(recipe.model)
    assert known is not None
    assert set(written) == {"name", "model", "seed"} | {path.partition(".")[0] for path in known.sections}
    for section in written.keys() - {"name", "model", "seed", "tasks"}:
        whole = set(type(getattr(recipe, section)).model_fields)
        single = {path.partition(".")[2] for path in known.sections if path.startswith(f"{section}.")}
        assert set(written[section]) == (whole if section in known.sections else single)
    again = from_recipe(Recipe.of(written))
    assert again.recipe == recipe == Recipe.load(name)
    assert again.recipe.to_yaml() == recipe.to_yaml()


def test_tasks_and_repeat_bias_are_the_class_s_to_declare() -> None:
    sections = {kind: model.sections for kind in SHIPPED if (model := class_of(kind))}
    assert {kind for kind, read in sections.items() if "tasks" in read} == {
        "llm", "gru-events", "lstm-events", "gru-text-events",
    }  # fmt: skip
    assert {kind for kind, read in sections.items() if {"history", "history.repeat_bias"} & set(read)} == {
        "llm", "gru-events", "lstm-events", "gru-text-events", "gru", "lstm", "sasrec", "esasrec", "gru-text",
        "lstm-text",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "change", "message"),
    [
        ("popularity", "lora.r=4", "popularity reads no section lora; it reads none: leave it out"),
        ("popularity", "lora.r=16", "popularity reads no section lora"),
        ("gru", "tasks=[rating]", "gru reads no section tasks; it reads sequence, history, train: leave it out"),
        (
            "gru",
            "history.encoding=soft",
            "gru reads no field history.encoding; of history it reads repeat_bias: leave",
        ),
        (
            "gru",
            "train.title_loss=1",
            "gru reads no field train.title_loss; of train it reads epochs, learning_rate, ",
        ),
        ("gru", "sequence.heads=2", "of sequence it reads dim, layers, dropout, max_items: leave it out"),
        (
            "sasrec",
            "sequence.mask_share=0.2",
            "of sequence it reads dim, layers, dropout, max_items, heads: leave",
        ),
        ("gru-events", "train.pack=true", "gru-events reads no field train.pack; of train it reads epochs"),
        ("als", "history.repeat_bias=true", "als reads no section history; it reads als"),
        ("quickstart", "sequence.dim=8", "llm reads no section sequence; it reads backbone, lora, history, head"),
        ("markov", "options.order=2", "markov reads no section options; it reads counting: leave it out"),
        ("sasrec", "sequence.heads=3", "sequence.dim=128 does not divide by sequence.heads=3"),
        ("quickstart", "train.title_loss=1", "history.encoding=soft writes no titles to learn"),
        ("quickstart", "history.encoding=hybird", "no encoding 'hybird'; there are text, soft, hybrid"),
        ("gru-events", "responses.rank_by=purchase", "responses.rank_by=purchase needs purchase among the tasks"),
    ],
)
def test_what_a_model_does_not_read_stops_before_the_data(
    recipe: str, change: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RecipeError) as error:
        from_recipe(Recipe.load(recipe, set=[change]))
    assert message in str(error.value)
    words = ["fit", recipe, "--set", change, "--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "run")]
    assert run(words) == 2
    assert capsys.readouterr().err == f"error: {error.value}\n"
    assert not list(tmp_path.iterdir())


def test_the_quickstart_stops_before_it_fetches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["quickstart", "--set", "sequence.dim=8", "--out", str(tmp_path / "out")]) == 2
    assert "llm reads no section sequence" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_recipe_of_another_model_is_refused() -> None:
    with pytest.raises(RecipeError, match="the recipe gru is of model=gru, not markov"):
        MarkovRecommender(Recipe.load("gru"))


def test_the_recipe_of_a_run_repeats_it(tmp_path: Path) -> None:
    toy_films(n_items=12, n_users=30).save(tmp_path / "data")
    common = ["--data", str(tmp_path / "data"), "--out"]
    change = ["--set", "counting.order=2"]
    assert run(["fit", "markov", *change, *common, str(tmp_path / "run")]) == 0
    recipe = tmp_path / "run" / "recipe.yaml"
    assert yaml.safe_load(recipe.read_text()) == {
        "name": "markov", "model": "markov", "seed": 0, "counting": {"order": 2},
    }  # fmt: skip
    assert run(["fit", str(recipe), *common, str(tmp_path / "again")]) == 0
    assert run(["fit", "markov", *change, *common, str(tmp_path / "run"), "--resume"]) == 0
    assert run(["fit", "markov", *common, str(tmp_path / "run"), "--resume"]) == 2  # another recipe
    histories = toy_films(n_items=12).histories
    np.testing.assert_array_equal(
        load(tmp_path / "again").score(histories), load(tmp_path / "run").score(histories)
    )


OLD_FIELDS = {
    "history": {"repeats": False},
    "responses": {"counted": True, "judged_by": "both"},
    "head": {"tower": "frozen"},
    "text": {"reader": "sentence"},
    "train": {"matmul": None},
    "train ": {"targets": "moment"},
    "lora": {"r": 16},  # all sections were written, whatever the model read
}


@pytest.mark.parametrize("section", OLD_FIELDS)
def test_a_run_of_an_earlier_version_says_to_fit_again(
    section: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run whose recipe has fields of before the renaming, in today's format and in the format it had."""
    data = toy_films(n_items=12, n_users=30)
    from_recipe(Recipe(name="old", model="popularity")).fit(data).save(tmp_path / "run")
    recipe = tmp_path / "run" / "recipe.yaml"
    values = yaml.safe_load(recipe.read_text()) | {section.strip(): OLD_FIELDS[section]}
    recipe.write_text(yaml.safe_dump(values))
    seal(tmp_path / "run")
    data.save(tmp_path / "data")
    words = ["fit", "popularity", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--resume"]
    for asked in (["recommend", str(tmp_path / "run"), "--history", "1"], words):
        assert run(asked) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert f"{tmp_path / 'run'} was fitted by an earlier version of llmrec" in line
        assert section.strip() in line
        assert line.endswith("fit it again: llmrec fit RECIPE --data DIR --out RUN")
    assert run(["fit", str(recipe), "--data", str(tmp_path / "data"), "--out", str(tmp_path / "new")]) == 2
    assert section.strip() in capsys.readouterr().err


def test_a_run_of_an_older_format_says_to_fit_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from_recipe(Recipe(model="popularity")).fit(toy_films()).save(tmp_path / "run")
    path = tmp_path / "run" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 1}))
    with pytest.raises(ArtifactError, match="in format 1, by an earlier version of llmrec; fit it again"):
        load(tmp_path / "run")
    assert run(["recommend", str(tmp_path / "run"), "--history", "1"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
