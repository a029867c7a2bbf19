"""The blind form shows no side's name, and answers are read against its key only."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl
import pytest

from eval.experiments import blind_pairs, film_relations

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    ids = [str(n) for n in range(12)]
    for name in ("one", "two"):
        said = [f"{name} {HOSTILE} {n}" if n else "the same" for n in range(12)]
        pl.DataFrame({"item_id": ids, "sentence": said}).write_csv(tmp_path / f"{name}.csv")
    return tmp_path / "one.csv", tmp_path / "two.csv"


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["blind_pairs.py", *map(str, words)])
    blind_pairs.main()


def test_a_form_and_its_answers(
    tables: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, key = tmp_path / "form.html", tmp_path / "form.key.json"
    call(monkeypatch, "form", *tables, page, "--pairs", "10")
    text, known = page.read_text(encoding="utf-8"), json.loads(key.read_text(encoding="utf-8"))
    assert HOSTILE not in text
    assert "the same" not in text
    assert text.count("<fieldset>") == len(known["a_is_left"]) == 10
    assert sum(known["a_is_left"]) == 5
    assert "a_is_left" not in text
    answers = {str(n): "left" if left else "right" for n, left in enumerate(known["a_is_left"][:8])} | {
        "8": "equal"
    }
    given = tmp_path / "answers.json"
    given.write_text(json.dumps({"form": known["form"], "answers": answers}))
    capsys.readouterr()
    call(monkeypatch, "read", key, given)
    assert capsys.readouterr().out.startswith("A is preferred 0.944 [")


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"form": "another", "answers": {"0": "left"}}, "these answers are to another form"),
        ({"answers": {"10": "left"}}, "'left' is no answer to one of 10 pairs"),
        ({"answers": {"0": "both"}}, "'both' is no answer"),
        ({"answers": {}}, "no pair is answered"),
    ],
)
def test_answers_that_are_none(
    answers: dict[str, object],
    message: str,
    tables: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    key, given = tmp_path / "form.key.json", tmp_path / "answers.json"
    call(monkeypatch, "form", *tables, tmp_path / "form.html", "--pairs", "10")
    given.write_text(json.dumps({"form": json.loads(key.read_text())["form"], **answers}))
    with pytest.raises(SystemExit, match="2"):
        call(monkeypatch, "read", key, given)
    assert message in capsys.readouterr().err


def test_films_are_joined_by_title_and_year() -> None:
    items = pl.DataFrame(
        {
            "item_id": ["1", "2", "3"],
            "title": ["Lost World, The", "Emma", "Heat"],
            "year": ["1997", "1996", "1986"],
        }
    )
    newer = pl.DataFrame(
        {
            "item_id": ["70", "71", "72", "73"],
            "key": [
                film_relations.title_key(title) for title in ("The Lost World (a.k.a.)", "Emma", "Emma", "Heat")
            ],
            "year": [1997, 1997, 1996, 1995],
        }
    )
    matched = film_relations.joined(items, newer)
    assert dict(matched.iter_rows()) == {"1": "70", "2": "72"}
    links = pl.DataFrame({"item_id": ["1", "2"], "entity": ["m.a", "m.b"]})
    graph = pl.DataFrame(
        [("m.a", "film.film.sequel", "m.b"), ("m.a", "film.film.sequel", "m.c"), ("m.b", "film.film.genre", "m.g"),
         ("m.b", "film.film.directed_by", "m.d"), ("m.x", "film.film.directed_by", "m.d")],
        schema=["head", "relation", "tail"], orient="row",
    )  # fmt: skip
    assert film_relations.triples_of(links, graph).rows() == [("2", "director", "m.d"), ("1", "sequel", "2")]
