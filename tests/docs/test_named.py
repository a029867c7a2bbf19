"""What the documents name is there: files, folders, options, and the parts that come from result files."""

from __future__ import annotations

import re

import pytest
import typer
from support.pages import PAGES, ROOT

from llmrec.cli.app import app

DOCUMENTS = (
    *PAGES,
    *(ROOT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md")),
    *(ROOT / name for name in ("finetune/README.md", "prompts/README.md", "eval/LOG.md")),
)
OF_OTHERS = {"--config_file", "--num_processes", "--strict"}  # accelerate's and mypy's
PATH = re.compile(r"\b(?:llmrec|eval|tests|finetune|prompts|docs|examples)/[\w./-]+\.(?:py|yaml|json|md|ipynb)\b")


def documents() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)


@pytest.mark.parametrize(
    ("page", "part"),
    [
        *(("README.md", part) for part in ("output", "results")),
        ("docs/quickstart.md", "table"),
        ("docs/compare.md", "peers"),
        *(("docs/recipes.md", part) for part in ("recipes", "fields")),
        ("docs/extend.md", "file examples/extend/metric.py"),
    ],
)
def test_generated_parts_are_there(page: str, part: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    start = text.index(f"<!-- {part}: ")
    assert text.index("<!-- end -->", start) - start > 300


def test_every_folder_of_the_table_exists() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    named = [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]
    folders = [name for name in named if name.endswith("/")]
    assert len(folders) >= 10
    assert [name for name in folders if not (ROOT / name).is_dir()] == []


def test_every_file_that_is_named_exists() -> None:
    named = set(PATH.findall(documents()))
    assert len(named) > 20
    assert sorted(path for path in named if not (ROOT / path).is_file()) == []


def test_every_option_that_is_named_exists() -> None:
    named = set(re.findall(r"--[a-z][a-z0-9_-]+", documents())) - OF_OTHERS
    commands = [typer.main.get_command(app)]
    for command in commands:
        commands += getattr(command, "commands", {}).values()
    options = {
        option for command in commands for one in command.params for option in (*one.opts, *one.secondary_opts)
    }
    scripts = "".join(
        path.read_text(encoding="utf-8") for path in [*ROOT.glob("eval/**/*.py"), ROOT / "finetune/train.py"]
    )
    options |= set(re.findall(r"\"(--[a-z-]+)\"", scripts))
    assert len(named) > 20
    assert sorted(named - options) == []
