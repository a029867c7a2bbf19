"""Reasons at the command line: who words them, how, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmrec import Split
from llmrec.cli.app import run
from llmrec.config import Recipe
from llmrec.data import toy_films
from llmrec.models import from_recipe


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("told") / "markov"
    data = toy_films(n_items=12, n_users=30)
    from_recipe(Recipe(model="markov")).fit(Split.leave_last_out(data).train).save(place)
    return place


def printed(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    assert run([str(word) for word in words]) == 0
    return capsys.readouterr().out


def test_explain_in_every_form(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("explain", model, "--history", "1,2,3", "--item", "4")
    plain = printed(capsys, *asked).splitlines()[0]
    assert plain.startswith('Take "Film 03: Crimson Garden" away, and "Film 04: Hidden Island" falls from')
    assert "而不是" in printed(capsys, *asked, "--language", "zh", "--instead", "8")
    assert " rather than " in printed(capsys, *asked, "--instead", "8", "--backend", "template")
    paragraph = printed(capsys, *asked, "--form", "paragraph").splitlines()[0]
    assert paragraph.startswith('Without "Film 03: Crimson Garden" in your history, "Film 04: Hidden Island"')
    assert paragraph.count(". ") >= 1, "several sentences"
    (row,) = json.loads(printed(capsys, *asked, "--json"))
    assert (row["backend"], row["first_try"], row["instead_id"]) == ("template", True, None)
    assert {"evidence", "pairs", "shared", "together"} <= row.keys()
    assert row["facts"][0]["kind"] == "rank"


def test_recommend_with_reasons(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("recommend", model, "--history", "1,2", "-k", "2", "--explain", "--language", "zh", "--json")
    rows = json.loads(printed(capsys, *words))
    assert all(row["reason"].endswith("。") and row["backend"] == "template" for row in rows)


def test_a_server_that_is_not_there_leads_to_the_template(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explain", str(model), "--history", "1,2,3", "--item", "4", "--timeout", "1"]
    assert run([*words, "--backend", "http://127.0.0.1:9/v1", "--model", "small"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith('Take "Film 03: Crimson Garden" away')
    assert "was replaced: the backend gave no answer" in told.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--backend", "gpt"], "choose auto, llm, template, or an address"),
        (["--backend", "http://127.0.0.1:9/v1"], "say which of its models with --model NAME"),
        (["--model", "small"], "needs --backend llm or the address of a server"),
        (["--language", "fr"], "no reasons as 'fr'; choose en or zh"),
        (["--form", "poem"], "no reasons as 'poem'; choose sentence or paragraph"),
        (["--instead", "999"], "item '999' is not in the catalog"),
        (["--instead", "4"], "item '4' cannot be compared with itself"),
        (["--instead", "5", "--form", "paragraph"], "is told in one sentence"),
    ],
)
def test_refused(model: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", str(model), "--history", "1,2,3", "--item", "4", *words]) == 2
    assert told in capsys.readouterr().err
