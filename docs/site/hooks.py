"""What MkDocs does besides: pages that lie elsewhere in the repository, and the command line's help as one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
# Pages of the site by the file that they are made of.
ELSEWHERE = {
    "index.md": "README.md",
    **{name: name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "SECURITY.md", "LICENSE")},
    **{name: name for name in ("eval/COST.md", "eval/REPORT.md", "eval/LOG.md", "prompts/README.md")},
}
FOLDERS = ("eval/results", "examples")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/, the files that they link to, and the page of commands."""
    sources = dict(ELSEWHERE)
    for folder in FOLDERS:
        paths = [path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()]
        sources |= {path: path for path in paths if "__pycache__" not in path}
    for uri, source in sources.items():
        if (ROOT / source).is_file():
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / source)))
    files.append(File.generated(config, "cli.md", content=commands()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links point to where a page lies in the site: README is the home page, docs/ is its root."""
    if page.file.src_uri == "index.md":
        markdown = re.sub(r'(\]\(|src="|srcset="|href=")docs/', r"\1", markdown)
    elif "/" not in page.file.src_uri:
        markdown = markdown.replace("](docs/", "](").replace("](../README.md", "](index.md")
        markdown = markdown.replace("](../", "](")
    elif page.file.src_uri.startswith("api/"):
        markdown = markdown.replace("](../../", "](../")
    return markdown


def commands() -> str:
    """Return every command's help as a page."""
    from typer.testing import CliRunner

    from llmrec.cli.app import app

    parts = ["# Command line", "What `llmrec COMMAND --help` prints, of every command."]
    for words in _words(typer.main.get_command(app)):
        shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "100"})
        parts += [f"## {' '.join(('llmrec', *words))}", f"```text\n{shown.output.strip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _words(command: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words of a command and of all below it."""
    inner = getattr(command, "commands", {})
    return [before, *(words for name, one in inner.items() for words in _words(one, (*before, name)))]
