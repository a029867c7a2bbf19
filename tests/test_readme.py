"""The README says what the result files say, and names files and options that exist."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
import typer

from llmrec.cli.app import app

ROOT = Path(__file__).resolve().parent.parent


def test_generated_parts_are_those_of_the_result_files() -> None:
    script = runpy.run_path(str(ROOT / "eval" / "readme.py"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert script["filled"](text) == text


@pytest.mark.parametrize("name", ["output", "table"])
def test_generated_parts_are_there(name: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    start = text.index(f"<!-- {name}: ")
    assert text.index("<!-- end -->", start) - start > 300


def test_every_folder_of_the_table_exists() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
    folders = [name for name in named if name.endswith("/")]
    assert len(folders) >= 10
    assert [name for name in folders if not (ROOT / name).is_dir()] == []


DOCUMENTS = (
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "finetune/README.md",
    "prompts/README.md",
    "eval/LOG.md",
    "docs/serve.md",
)
OF_OTHERS = {"--config_file", "--num_processes", "--strict"}  # accelerate's and mypy's
PATH = re.compile(r"(?:llmrec|eval|tests|finetune|prompts)/[\w./-]+\.(?:py|yaml|json|md)\b")


def documents() -> str:
    return "\n".join((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)


def test_every_file_that_is_named_exists() -> None:
    named = set(PATH.findall(documents()))
    assert len(named) > 20
    assert sorted(path for path in named if not (ROOT / path).is_file()) == []


def test_every_option_that_is_named_exists() -> None:
    named = set(re.findall(r"--[a-z][a-z_-]+", documents())) - OF_OTHERS
    commands = [typer.main.get_command(app)]
    for command in commands:
        commands += getattr(command, "commands", {}).values()
    options = {option for command in commands for one in command.params for option in one.opts}
    scripts = "".join(
        path.read_text(encoding="utf-8") for path in [*ROOT.glob("eval/**/*.py"), ROOT / "finetune/train.py"]
    )
    options |= set(re.findall(r"\"(--[a-z-]+)\"", scripts))
    assert len(named) > 20
    assert sorted(named - options) == []
