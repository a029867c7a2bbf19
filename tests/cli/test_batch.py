"""``llmrec batch``: files for all users, one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from llmrec import Split
from llmrec.cli.app import run
from llmrec.data import toy_films
from llmrec.models.baselines.markov import MarkovRecommender


@pytest.fixture(scope="module")
def markov(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of toy films."""
    path = tmp_path_factory.mktemp("batch") / "markov"
    MarkovRecommender().fit(Split.leave_last_out(toy_films(n_items=12, n_users=30)).train).save(path)
    return path


def call(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = run(["batch", *map(str, words)])
    printed = capsys.readouterr()
    return code, printed.out.strip(), printed.err.strip()


def test_recommend_says_what_it_wrote(markov: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words: list[str | Path] = ["recommend", markov, "--out", tmp_path / "out", "-k", "3", "--rows-per-part", "30"]
    code, out, err = call(capsys, *words)
    assert (code, out) == (0, f"{tmp_path / 'out'}: recommend of 30 users; 3 of 3 parts written now")
    assert "30 of 30 users" in err
    assert pl.read_parquet(tmp_path / "out" / "part-*.parquet")["user_id"].n_unique() == 30
    (tmp_path / "out" / "part-00001.parquet").unlink()
    code, out, err = call(capsys, *words)
    assert out.endswith("1 of 3 parts written now")
    assert err.startswith("batch recommend: continuing after 20 of 30 users")
    assert call(capsys, *words)[1].endswith("30 users; it was complete")


def test_bad_input_is_one_line(markov: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out: list[str | Path] = ["--out", tmp_path / "out"]
    new: list[str | Path] = ["--out", tmp_path / "new"]
    assert call(capsys, "recommend", markov, *out)[0] == 0
    refused: dict[str, list[str | Path]] = {
        "with k=10, not 2": ["recommend", markov, *out, "-k", "2"],
        "with kind=recommend, not explain": ["explain", markov, *out],
        "no vectors of users": ["embed", markov, *new],
        "there is no run at": ["recommend", tmp_path / "none", *new],
        "no batch job 'recommend' on 'spark'": [
            "recommend",
            markov,
            "--out",
            tmp_path / "new",
            "--engine",
            "spark",
        ],
        "say which of its models": ["explain", markov, *new, "--backend", "http://h/v1"],
        "choose auto, llm, template, or an address": ["explain", markov, *new, "--backend", "nobody"],
        "no reasons as 'fr'; choose en or zh": ["explain", markov, *new, "--language", "fr"],
        "no reasons as 'poem'": ["explain", markov, *new, "--form", "poem"],
        "add --engine ray, or leave --workers out": ["recommend", markov, *new, "--workers", "2"],
        "is a file and no folder; name another path": ["recommend", markov, "--out", markov / "recipe.yaml"],
    }
    for message, words in refused.items():
        code, printed, line = call(capsys, *words)
        assert (code, printed, line.count("\n")) == (2, "", 0), line
        assert message in line
    assert not (tmp_path / "new").exists()  # so that the right arguments are not refused for the wrong ones


def test_a_full_disk_is_one_line(
    markov: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    code, _, line = call(capsys, "recommend", markov, "--out", tmp_path / "out")
    assert code == 2
    assert line.startswith(f"error: no space left for {tmp_path / 'out'}: free some, and the same command goes on")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["job.json"]


def test_a_server_that_is_down(markov: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    server = ["--backend", "http://127.0.0.1:9/v1?key=secret", "--model", "m", "--timeout", "0.1"]
    code, _, err = call(capsys, "explain", markov, "--out", tmp_path / "out", "-k", "1", *server)
    assert code == 1
    assert "gave no answer for" in err.splitlines()[-1]
    assert "secret" not in err + (tmp_path / "out" / "job.json").read_text(encoding="utf-8")
    assert not list(tmp_path.glob("out/part-*"))
