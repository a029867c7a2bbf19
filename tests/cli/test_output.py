"""Whatever a title, an id, a file name or a server holds, the terminal gets plain text."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from support.hostile_servers import BEHAVIORS, CONTROL, KEY, HostileServer

from llmrec.cli.app import run
from llmrec.cli.output import PrintableFormatter, SaidOnce, print_traceback, say, show
from llmrec.config import Recipe
from llmrec.data import Catalog, Dataset, toy_films
from llmrec.evaluation.report.tables import _table, plain
from llmrec.models import from_recipe
from llmrec.training.progress import Progress

CLI = Path(__file__).parents[2] / "llmrec" / "cli"
BAD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
TITLE = f"Film {CONTROL} of\u2028doom"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fitted run whose titles are an attack on a terminal, the last one of them 10 MB long."""
    path = tmp_path_factory.mktemp("output")
    data = toy_films(n_items=12, n_users=30)
    titles = [f"{TITLE} {n}" for n in range(11)] + ["\x1b[2Jlong " * 1_000_000]
    catalog = Catalog(data.catalog.table.with_columns(pl.Series("title", titles)))
    from_recipe(Recipe(model="markov")).fit(Dataset(data.events, catalog)).save(path / "run")
    return path


def shown(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> tuple[str, str]:
    """Run a command line. Returns what it printed, which is plain text."""
    capsys.readouterr()
    assert run([str(word) for word in words]) == code
    out, err = capsys.readouterr()
    assert not BAD.search(out)
    assert not BAD.search(err)
    return out, err


def test_titles(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = shown(capsys, "recommend", folder / "run", "--history", "0,1", "-k", "12", "--explain")
    assert "\\x1b[2J" in out
    assert "forged" not in [line.split(":")[0] for line in out.splitlines()]
    out, _ = shown(capsys, "explain", folder / "run", "--history", "0,1", "--item", "2")
    assert "Film" in out


def test_json_is_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = shown(capsys, "recommend", folder / "run", "--history", "0,1", "-k", "12", "--json")
    titles = {row["title"] for row in json.loads(out)}
    assert f"{TITLE} 3" in titles
    assert max(map(len, titles)) == 9_000_000


def test_ten_megabytes_are_cut(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pl.DataFrame({"title": ["\x1b[2J wide 电影 " * 800_000] * 3, "other": ["word " * 2_000_000] * 3})
    began = time.process_time()
    show(table, as_json=False)
    assert time.process_time() - began < 1
    assert len(capsys.readouterr().out) < 100_000
    out, _ = shown(capsys, "recommend", folder / "run", "--history", "0,1", "-k", "12")
    assert len(out) < 100_000


def test_errors(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = f"{CONTROL}x"
    for words in (
        ["recommend", f"{tmp_path}/{one}", "--user", "1"],
        ["recommend", folder / "run", "--user", one],
        ["recommend", folder / "run", "--history", one],
        ["explain", folder / "run", "--history", "0", "--item", one],
        ["recommend", folder / "run", "--user", "1", "--backend", one],
        ["fit", one, "--data", one, "--out", one],
        ["data", "prepare", one, "--out", tmp_path / "out"],
        ["data", "describe", f"{tmp_path}/\udc80{one}"],
        [one],
        ["--" + one],
    ):
        out, err = shown(capsys, *words, code=2)
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith("error: ")
        assert "fault of llmrec" not in err


def test_a_log_s_columns_and_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "events.csv").write_text(
        "user_id,item_id,timestamp,co\x1b[2Jlumn,price\n1,a,5,x,1\n1,b,7,x,\x1b[31m\n", encoding="utf-8"
    )
    words = ["data", "prepare", tmp_path / "events.csv", "--out"]
    shown(capsys, *words, tmp_path / "whole")
    shown(capsys, *words, tmp_path / "out", "--drop-where", "price > 1", code=2)
    (tmp_path / "events.csv").write_text(
        "user_id,item_id,timestamp,co\x1b[2Jlumn\n1,\x9b31ma,1600000005,x\n\x1b]0;x\x07,b,1600000007,x\n",
        encoding="utf-8",
    )
    shown(capsys, "data", "prepare", tmp_path / "events.csv", "--out", tmp_path / "a\x1b[2Jb")
    shown(capsys, "data", "describe", tmp_path / "a\x1b[2Jb")


def test_what_a_server_says(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMREC_API_KEY", KEY)
    words = ["explain", folder / "run", "--history", "0,1", "--item", "2", "--model", "m", "--backend"]
    for name in ("control_in_the_content", "half_characters_in_quotes", "key_in_an_error", "key_in_the_content"):
        with HostileServer(BEHAVIORS[name]) as server:
            out, err = shown(capsys, *words, server.url)
        assert KEY not in out + err


def test_a_key_that_cannot_be_sent(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMREC_API_KEY", f"{KEY}\r\nX-Other: 1")
    words = ["recommend", folder / "run", "--user", "1", "--explain", "--backend"]
    _, err = shown(capsys, *words, "http://127.0.0.1:9/v1", "--model", "m", code=2)
    assert "the API key holds a line break" in err
    assert KEY not in err
    monkeypatch.delenv("LLMREC_API_KEY")
    for address in ("http://user:hunter2@[bad/v1", "http://user:hunter2@host/v1#x", "ftp://user:hunter2@host"):
        _, err = shown(capsys, *words, address, code=2)
        assert "***" in err
        assert "hunter2" not in err


def test_logs_and_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PrintableFormatter("%(message)s"))
    logger = logging.Logger("any")
    logger.addHandler(handler)
    logger.warning("columns %s", CONTROL)
    assert stream.getvalue().count("\n") == 1
    try:
        raise ValueError(CONTROL)
    except ValueError as error:
        logger.exception("it failed")
        print_traceback(ValueError, error, error.__traceback__)
    assert "ValueError" in stream.getvalue()
    assert not BAD.search(stream.getvalue())
    say(CONTROL, "\ud800", error=True)
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert not BAD.search(err)


def test_names_of_runs_and_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    assert not BAD.search(plain(_table(["model"], [[CONTROL]])))
    progress = Progress(f"{CONTROL}[red]{{x}}", shown=True)
    progress.start(3, done=1)
    progress.stop()
    err = capsys.readouterr().err
    assert "[red]{x}: continuing" in err
    assert not BAD.search(err)


ASCII = """
import contextlib, sys
from llmrec.cli import main
for words in (["data", "list"], ["data", "list", "--json"], ["\u00e9\u2026"]):
    sys.argv = ["llmrec", *words]
    with contextlib.suppress(SystemExit):
        main()
"""


def test_a_terminal_that_cannot_show_every_letter() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", ASCII]
    ended = subprocess.run(command, capture_output=True, env=environment, check=False, timeout=60)
    assert ended.stdout.decode("ascii").count("MovieLens 100K") == 2
    assert "No such command '\\xe9\\u2026'" in ended.stderr.decode("ascii")


def test_there_is_one_place_that_prints() -> None:
    printing = {
        file.name
        for file in CLI.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rsplit(".", 1)[-1] in {"print", "Console", "echo"}
    }
    assert printing == {"output.py"}


def test_a_message_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.addFilter(SaidOnce())
    log = logging.Logger("of-this-test")
    log.addHandler(handler)
    for n in (1, 1, 2):
        log.warning("%d titles twice", n)
    assert capsys.readouterr().out == "1 titles twice\n2 titles twice\n"


def test_a_pipe_gets_plain_text_and_may_be_closed_early() -> None:
    """As by ``llmrec recipes | head -1``: no escape codes, no bar, no traceback."""
    command = [sys.executable, "-m", "llmrec", "recipes"]
    whole = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert whole.stdout.startswith(b"recipe ")
    assert b"\x1b" not in whole.stdout + whole.stderr
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1
