"""``llmrec items``, ``llmrec cache``, the name of prepared data, and people close up in ``llmrec evaluate``."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from llmrec import Dataset, Split
from llmrec.cli.app import run
from llmrec.data import toy_films
from llmrec.evaluation.report.report import Report
from llmrec.models.baselines.markov import MarkovRecommender
from llmrec.models.runs import change_items, fit_run
from llmrec.resources.cached import cached_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared films and a run that kept its split."""
    path = tmp_path_factory.mktemp("shown")
    data = toy_films(n_items=12, n_users=30)
    data.save(path / "data")
    fit_run(MarkovRecommender().recipe, data, Split.leave_last_out(data), path / "run")
    return path


def call(capsys: pytest.CaptureFixture[str], *words: str | Path, code: int = 0) -> str:
    capsys.readouterr()
    assert run([*map(str, words)]) == code
    printed = capsys.readouterr()
    return printed.out if code == 0 else printed.err


def test_items_by_words_of_their_titles(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    titles = dict(pl.read_parquet(folder / "data" / "items.parquet").select("item_id", "title").iter_rows())
    word = titles["3"].split()[-1].lower()
    rows = json.loads(call(capsys, "items", folder / "run", word[:4], "--json"))
    assert {row["item_id"] for row in rows} == {
        item for item, title in titles.items() if any(part.startswith(word[:4]) for part in title.lower().split())
    }
    assert json.loads(call(capsys, "items", folder / "run", *titles["3"].split(), "--json"))[0]["item_id"] == "3"
    assert call(capsys, "items", folder / "run", "no such thing").strip().split() == ["item_id", "title"]
    assert "there is no run at" in call(capsys, "items", folder / "none", "film", code=2)
    change_items(folder / "run", "remove", pl.DataFrame({"item_id": ["3"]}))
    assert "3" not in {
        row["item_id"] for row in json.loads(call(capsys, "items", folder / "run", "film", "--json"))
    }


def test_evaluate_shows_people_and_p_values(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = Dataset.load(folder / "data")
    for seed, kind in enumerate(("popularity", "markov")):
        from llmrec import Recipe

        fit_run(Recipe(model=kind, seed=seed), data, Split.leave_last_out(data), tmp_path / kind)
    words = (
        "evaluate",
        tmp_path / "markov",
        tmp_path / "popularity",
        "--data",
        folder / "data",
        "--out",
        tmp_path / "r",
    )
    out = call(capsys, *words, "--people", "2")
    assert "times popularity's" in out
    assert "(p " in out
    assert out.count("\nuser ") == 2
    assert out.count("  chosen next: ") == 2
    cards = Report.load(tmp_path / "r").cards
    assert len(cards) == 2
    assert all(one.reason for card in cards for one in card.recommendations)


def test_data_is_called_as_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toy_films().events.write_csv(tmp_path / "log.csv")
    call(capsys, "data", "prepare", tmp_path / "log.csv", "--out", tmp_path / "shop")
    assert Dataset.load(tmp_path / "shop").name == "shop"
    call(capsys, "data", "prepare", tmp_path / "log.csv", "--out", tmp_path / "other", "--name", "Films")
    assert Dataset.load(tmp_path / "other").name == "Films"


def test_the_cache_is_shown_and_cleared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path))
    for name in ("one", "two"):
        cached_folder(tmp_path / "wheels" / name, lambda path: _fill(path), source="test")
    (tmp_path / "wheels" / "of-others").mkdir()
    rows = json.loads(call(capsys, "cache", "--json"))
    assert [(row["name"], row["size"]) for row in rows] == [("wheels/one", 1000), ("wheels/two", 1000)]
    assert "holds no three; there are wheels/one, wheels/two" in call(capsys, "cache", "three", "--clear", code=2)
    assert "1 removed" in call(capsys, "cache", "one", "--clear")
    assert [row["name"] for row in json.loads(call(capsys, "cache", "--json"))] == ["wheels/two"]
    call(capsys, "cache", "--clear")
    assert json.loads(call(capsys, "cache", "--json")) == []
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == ["of-others"]  # is not llmrec's


def _fill(path: Path) -> None:
    (path / "file").write_bytes(b"0" * 1000)
