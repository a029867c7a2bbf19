"""The documentation: links lead somewhere, commands parse, Python is Python, generated parts are current."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import typer
from support.pages import PAGES, ROOT, anchors, commands, links, python_blocks, spans

from llmrec import Recipe
from llmrec.cli.app import app
from llmrec.config import names

LONGEST_README = 1_000  # words; the rest stands in docs/
LINKED = (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "examples/README.md")


def id_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_readme_is_short() -> None:
    words = re.findall(r"\S*[A-Za-z]\S*", PAGES[0].read_text(encoding="utf-8"))
    assert 500 < len(words) <= LONGEST_README


@pytest.mark.parametrize("page", LINKED, ids=id_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_links_and_headings_are_seen() -> None:
    text = "# The `x` of it, and [more](b.md#y)!\n```\n# no heading\n[no](link)\n```\n[a](https://a.b) ![c](c.png)"
    assert links(text) == ["b.md#y", "c.png"]
    assert anchors(text) == {"the-x-of-it-and-more"}


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Parse a command by the parser of the command line; return its name and its parameters, nothing is run."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("llmrec", list(words))
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, list(rest), parent=context)
    return context.command_path, context.params


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_commands_parse(page: Path) -> None:
    for words in commands(page.read_text(encoding="utf-8")):
        try:
            path, params = parsed(words)
        except Exception as error:
            raise AssertionError(f"llmrec {' '.join(words)}: {error}") from error
        recipe = params.get("recipe", "")
        if path == "llmrec fit" and recipe.islower() and not recipe.endswith(".yaml"):
            assert recipe in names(), words
            Recipe.load(recipe, set=params["set"])


def test_commands_are_seen() -> None:
    text = "    pip install x && llmrec fit gru --data d  # why\n```bash\nKEY=$(a b) llmrec serve \\\n  run\n```\n"
    assert list(commands(text)) == [["serve", "run"], ["fit", "gru", "--data", "d"]]
    with pytest.raises(Exception, match="No such option: --dat"):
        parsed(["fit", "gru", "--dat", "d"])


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_commands_in_sentences_exist(page: Path) -> None:
    for words in spans(page.read_text(encoding="utf-8")):
        command: Any = typer.main.get_command(app)
        plain = [word for word in words if word != "--debug"]
        while hasattr(command, "commands") and plain and plain[0] in command.commands:
            command = command.commands[plain.pop(0)]
        known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
        assert {word for word in plain if word.startswith("-")} <= known, words
        if hasattr(command, "commands"):
            assert not plain or plain[0] in {"COMMAND", *known}, words


@pytest.mark.parametrize("page", PAGES, ids=id_of)
def test_python_is_python(page: Path) -> None:
    for block in python_blocks(page.read_text(encoding="utf-8")):
        ast.parse(block)


@pytest.mark.parametrize(
    ("script", "way_out"),
    [
        ("eval/readme.py", "results: python eval/readme.py write"),
        ("docs/site/blocks.py", "code: python docs/site/blocks.py write"),
    ],
)
def test_generated_parts_are_current(script: str, way_out: str) -> None:
    filled = runpy.run_path(str(ROOT / script))["filled"]
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert filled(text) == text, f"{id_of(page)} is not as it would be written from the {way_out}"


def test_the_picture_of_imports_is_current() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "site" / "picture.py"))
    drawn = script["drawn"](script["reduced"](script["imports"](ROOT / "llmrec")))
    assert drawn == (ROOT / "docs/pictures/imports.svg").read_text(encoding="utf-8"), (
        "imports have changed: python docs/site/picture.py write"
    )
    assert drawn.count("<rect") > 15


def test_what_follows_from_other_imports_is_left_out() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "site" / "picture.py"))
    graph = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert script["reduced"](graph) == {"a": {"b"}, "b": {"c"}, "c": set()}
    assert script["rows_of"](script["reduced"](graph)) == [["a"], ["b"], ["c"]]
