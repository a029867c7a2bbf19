"""The command line before anything heavy is loaded: help, completion, misspelt and repeated options."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer

from llmrec.cli import app, data
from llmrec.cli.app import run
from llmrec.cli.commands import Lazy
from llmrec.cli.export import LLM_FORMS
from llmrec.cli.fit import HELD_OUT
from llmrec.cli.narrators import FORMS, LANGUAGES
from llmrec.cli.recommend import FORMATS
from llmrec.data.splits.named import held_out_by_name
from llmrec.jobs import one_file
from llmrec.models.llm.export import ExportForm
from llmrec.prompting import Language
from llmrec.reasons.request import ReasonForm

HEAVY = ("torch", "polars", "numpy", "llmrec.models", "llmrec.reasons")


def refused(capsys: pytest.CaptureFixture[str], *words: str | Path) -> str:
    """Run a command line that must fail. Returns its one line."""
    capsys.readouterr()
    assert run([str(word) for word in words]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    return printed.err


@pytest.mark.parametrize("command", [*app.COMMANDS.values(), *data.COMMANDS.values()], ids=lambda one: one.path)
def test_help_of_a_command_is_its_docstring(command: Lazy) -> None:
    module, _, name = command.path.partition(":")
    target = getattr(importlib.import_module(module), name)
    text = target.info.help if isinstance(target, typer.Typer) else inspect.getdoc(target)
    assert text is not None
    assert " ".join(text.partition("\n\n")[0].split()) == command.help


def test_what_is_said_twice_so_that_it_is_fast_is_the_same() -> None:
    assert held_out_by_name() == HELD_OUT
    assert (get_args(Language), get_args(ReasonForm)) == (LANGUAGES, FORMS)
    assert one_file.FORMATS == FORMATS
    assert get_args(ExportForm) == LLM_FORMS


LIGHT = [
    "--help",
    "data --help",
    "recommend RUN --user 1 -k 0",
    "recommend RUN --user 1 --explain --form essay",
    "recommend RUN --all",
    "recommend RUN --all --out recs.txt",
    "recommend RUN --all --user 1 --out recs.csv",
    "similar RUN --item 3 --item 4",
    "explain RUN --user 1 --item 3 --language fr",
    "predict RUN --item 3",
    "batch recommend RUN --out DIR --diversity 2",
    "fit gru --data DIR",
    "fit gru --data DIR --out RUN --set train.epoch=1",
    "fit grru --data DIR --out RUN",
    "recomend RUN",
]


def test_nothing_heavy_is_loaded_before_arguments_are_checked() -> None:
    code = (
        "import sys; from llmrec.cli.app import run; "
        f"[run(line.split()) for line in {LIGHT!r}]; "
        f"print('loaded:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "loaded: []"
    errors = done.stderr.splitlines()
    assert len(errors) == len(LIGHT) - 2
    assert all(line.startswith("error: ") for line in errors)


def test_an_option_that_is_given_twice(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--item is given 2 times, but takes one value" in refused(
        capsys, "similar", "RUN", "--item", "1", "--item", "2"
    )
    assert "--user is given 3 times" in refused(capsys, "explain", "RUN", "--item", "1", *(["--user", "1"] * 3))
    assert "-k is given 2 times" in refused(
        capsys, "batch", "recommend", "RUN", "--out", "x", "-k", "1", "-k", "2"
    )


def test_a_misspelt_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such command 'recomend'. Did you mean 'recommend'" in refused(capsys, "recomend")
    assert "Did you mean 'prepare'?" in refused(capsys, "data", "prepar")


def test_shell_completion_names_commands_and_options() -> None:
    environment = os.environ | {
        "_LLMREC_COMPLETE": "complete_bash",
        "COMP_WORDS": "llmrec reco",
        "COMP_CWORD": "1",
    }
    code = "from llmrec.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["recommend"]


@pytest.mark.parametrize(
    "words",
    [
        ("fit", "markov", "--data", "d", "--out"),
        ("data", "prepare", "log.csv", "--out"),
        ("data", "fetch", "ml-100k", "--out"),
        ("data", "split", "d", "--out"),
        ("data", "describe", "d", "--out"),
        ("evaluate", "r", "--data", "d", "--out"),
        ("export", "r", "--items", "--out"),
        ("batch", "recommend", "r", "--out"),
        ("recommend", "r", "--all", "--out"),
        ("quickstart", "--out"),
        ("serve", "r", "--events"),
    ],
    ids=" ".join,
)
def test_nothing_is_written_below_a_file(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.write_text("something", encoding="utf-8")
    below = file / "new" / "recs.csv"
    assert f"{words[-1]} {below}: {file} is a file and no folder" in refused(capsys, *words, below)
    assert file.read_text(encoding="utf-8") == "something"
