"""`llmrec recipes` says what there is to fit; commands without one print their help."""

from __future__ import annotations

import json

import pytest

from llmrec.cli.app import run
from llmrec.config import Recipe, fields_of, names, purpose_of
from llmrec.models.registry import complete_recipe


def test_every_recipe_is_listed_with_its_purpose(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["recipe"] for row in rows] == names()
    assert all(len(row["made for"]) > 20 for row in rows)
    assert next(row for row in rows if row["recipe"] == "gru-llm")["model"] == "gru-text"


@pytest.mark.parametrize("name", names())
def test_every_field_that_a_model_reads_has_a_meaning(name: str) -> None:
    recipe = complete_recipe(Recipe.load(name))
    fields = fields_of(recipe)
    assert {field.path for field in fields if "." not in field.path} >= {"name", "model", "seed"}
    assert [field.path for field in fields if not field.meaning.endswith((".", ")"))] == []
    assert purpose_of(name)


def test_a_recipe_shows_values_beside_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["recipes", "gru", "--json"]) == 0
    rows = {row["field"]: row for row in json.loads(capsys.readouterr().out)}
    assert (rows["train.schedule"]["value"], rows["train.schedule"]["default"]) == ("open_ended", "cosine")
    assert rows["train.schedule"]["meaning"].endswith("One of constant, cosine, linear, open_ended.")
    assert rows["train.max_minutes"]["value"] == "null"
    assert "lora.r" not in rows
    assert run(["recipes", "gru"]) == 0
    shown = capsys.readouterr().out
    assert "GRU over item ids" in shown
    assert "--set FIELD=VALUE" in shown


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["recipes", "gruu"], "no recipe 'gruu': did you mean gru?"),
        (["fit", "gru", "--data", "d", "--out", "o", "--set", "train.epoch=3"], "did you mean train.epochs?"),
        (["fit", "gru", "--data", "d", "--out", "o", "--set", "epochs=3"], "did you mean train.epochs?"),
        (["fit", "gru", "--data", "d", "--out", "o", "--set", "trian.epochs=3"], "did you mean train"),
    ],
)
def test_what_is_misspelt_is_suggested(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    assert line in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["data"], ["batch"]])
def test_a_group_without_a_command_prints_its_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].startswith(f"Usage: {' '.join(['llmrec', *words])} ")
    assert "Commands:\n" in printed.out
    assert printed.err == ""
