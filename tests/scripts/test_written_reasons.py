"""Reasons written by somebody else: what is written out, what is read, and what is measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.benchmarks import written_reasons
from eval.common import read_result
from llmrec.data import toy_films
from llmrec.models import MarkovRecommender

ASKED = 6


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "markov"
    MarkovRecommender().fit(toy_films()).save(folder)
    return folder


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(
        "sys.argv", ["written_reasons.py", *map(str, words), "--requests", str(ASKED), "--each", "2"]
    )
    written_reasons.main()


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def answer(path: Path, texts: dict[str, str]) -> Path:
    rows = (json.dumps({"id": name, "text": text}) for name, text in texts.items())
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def planned(request: dict[str, object]) -> str:
    """Return the first whole sample of a request."""
    user = request["messages"][1]["content"]  # type: ignore[index]
    return user.split("for example:\n- ")[1].splitlines()[0]  # type: ignore[no-any-return]


def test_answers_are_audited_and_refused_ones_asked_for_again(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, again, out = tmp_path / "asked.jsonl", tmp_path / "again.jsonl", ("--out", tmp_path)
    call(monkeypatch, run, "--write", asked)
    requests = lines(asked)
    assert len(requests) == ASKED
    good = {str(one["id"]): planned(one) for one in requests}
    names = list(good)
    first = answer(
        tmp_path / "first.jsonl", {**dict.fromkeys(names[:3], "What a film!"), names[3]: good[names[3]]}
    )
    call(monkeypatch, run, "--read", first, "--retries", again, *out)
    retries = lines(again)
    assert [one["id"] for one in retries] == names[:3]
    assert [turn["role"] for turn in retries[0]["messages"]] == ["system", "user", "assistant", "user"]  # type: ignore[attr-defined]
    second = answer(tmp_path / "second.jsonl", {names[0]: f"\n{good[names[0]]}\nBye.", names[1]: "No."})
    call(monkeypatch, run, "--read", first, "--again", second, *out)
    result = read_result(tmp_path / "written-reasons.json")
    outcomes, read = (section["rows"] for section in result["sections"][:2])
    # Refused twice, refused once, and two that nobody answered.
    assert [row["reasons"] for row in outcomes] == [1, 1, 4]
    assert result["settings"]["answers"] == 4
    assert [row["reasons"] for row in read] == ["as shown", "as planned"]
    assert read[0]["distinct_forms"] == read[1]["distinct_forms"], "all that is shown are planned words"


def test_plain_requests_do_not_say_what_is_read(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(monkeypatch, run, "--write", tmp_path / "asked.jsonl")
    call(monkeypatch, run, "--write", tmp_path / "plain.jsonl", "--plain")
    asked, plain = lines(tmp_path / "asked.jsonl"), lines(tmp_path / "plain.jsonl")
    assert [one["id"] for one in asked] == [one["id"] for one in plain]
    assert "PREMISE" in str(asked)
    assert "PREMISE" not in str(plain)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('{"id": 1}', "line 1 is no"),
        ("[1]", "line 1 is no"),
        ('{"id": "x", "text": "y"}', "line 1: 'x' is no request"),
    ],
)
def test_lines_that_are_no_answers(text: str, wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=wrong):
        written_reasons.read_answers(path, {"a": None})


def test_an_answer_given_twice(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "a", "text": "b"}\n{"id": "a", "text": "c"}\n', encoding="utf-8")
    with pytest.raises(SystemExit, match="line 2: 'a' is answered twice"):
        written_reasons.read_answers(path, {"a": None})
