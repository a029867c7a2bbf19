"""``llmrec catalog`` and ``llmrec forget``: a run changes without training, bad input is one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llmrec import Recipe, Split
from llmrec.cli.app import run
from llmrec.models import LLMRecommender, from_recipe, load


@pytest.fixture
def folder(toy_split: Split, tmp_path: Path) -> Path:
    from_recipe(Recipe(model="markov")).fit(toy_split.train).save(tmp_path / "run")
    (tmp_path / "items.csv").write_text("sku,name\n7,Another title\n5,Here again\n", encoding="utf-8")
    (tmp_path / "new.csv").write_text("item_id,title\nnew,Film 99: New\n", encoding="utf-8")
    (tmp_path / "colours.csv").write_text("item_id,colour\n7,red\n", encoding="utf-8")
    (tmp_path / "ids.csv").write_text("item_id\n5\n6\n", encoding="utf-8")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    capsys.readouterr()
    assert run([str(word) for word in words]) == 0
    return capsys.readouterr().out


def test_items_change_beside_the_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = said(capsys, "catalog", "remove", folder / "run", folder / "ids.csv")
    assert (
        line == f"{folder / 'run'}: 2 items removed, 10 can be recommended; written to {folder / 'run.changes'}\n"
    )
    assert "1 item removed, 9 can" in said(capsys, "catalog", "remove", folder / "run", "--item", "4")
    recommended = said(capsys, "recommend", folder / "run", "--history", "3", "-k", "12", "--json")
    assert not any(f'"item_id": "{item}"' in recommended for item in (4, 5, 6))
    assert "2 items changed, 10 can" in said(capsys, "catalog", "update", folder / "run", folder / "items.csv")
    assert load(folder / "run").catalog.titles[5:8] == ["Here again", "Film 06: Distant Mirror", "Another title"]


def test_an_llm_takes_new_items_without_being_read(
    folder: Path, tiny_recipe: Callable[..., Recipe], toy_split: Split, capsys: pytest.CaptureFixture[str]
) -> None:
    LLMRecommender(tiny_recipe("soft", "train.epochs=1")).fit(toy_split.train).save(folder / "llm")
    assert "1 item added, 13 can" in said(capsys, "catalog", "add", folder / "llm", folder / "new.csv")
    assert "Film 99: New" in said(capsys, "similar", folder / "llm", "--item", "3", "-k", "12")


def test_people_are_forgotten(folder: Path, toy_split: Split, capsys: pytest.CaptureFixture[str]) -> None:
    histories = toy_split.train.histories
    first, second = histories.user_ids[:2]
    n_events = int(histories.lengths()[:2].sum())
    told = said(capsys, "forget", folder / "run", "--user", first, "--user", second)
    assert f"removed 2 users, {n_events} events and 0 vectors" in told
    assert "what the weights learned of them" in told
    assert len(load(folder / "run").histories) == len(histories) - 2


@pytest.mark.parametrize(
    ("words", "word"),
    [
        (["catalog", "add", "run", "new.csv"], "a markov model has no score for new items such as 'new'"),
        (["catalog", "add", "run", "items.csv"], "'7' is in the catalog already"),
        (["catalog", "update", "run", "new.csv"], "'new' is not in the catalog of 12 items"),
        (["catalog", "update", "run", "colours.csv"], "the catalog has no column colour"),
        (["catalog", "remove", "run"], "either a FILE, or --item ID"),
        (["catalog", "remove", "run", "ids.csv", "--item", "5"], "either a FILE, or --item ID"),
        (["catalog", "remove", "run", "--item", "5", "--item", "5"], "'5' is there twice"),
        (["catalog", "remove", "run", "--item", "none"], "'none' is not in the catalog"),
        (["catalog", "remove", "run", "5"], "there is no file 5; an item is named by --item 5"),
        (["catalog", "remove", "nowhere", "--item", "5"], "there is no run at"),
        (["forget", "run", "--user", "nobody"], "'nobody' is not among the 30 users"),
        (["forget", "nowhere", "--user", "1"], "there is no run at"),
    ],
)
def test_bad_input_is_one_line(
    folder: Path, words: list[str], word: str, capfd: pytest.CaptureFixture[str]
) -> None:
    named = [str(folder / one) if one in {"run", "nowhere"} or one.endswith(".csv") else one for one in words]
    assert run(named) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert word in lines[0]
    assert not (folder / "run.changes").exists()
