"""Read the pages of the documentation: their links, their code, and the commands that they tell people to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Whose ``__all__`` is public.
PACKAGES = (
    "llmrec",
    *(f"llmrec.{name}" for name in ("data", "data.splits", "data.responses", "models", "evaluation", "reasons")),
    *(f"llmrec.{name}" for name in ("retrieval", "jobs", "config", "prompting", "testing")),
)
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_GENERATED = re.compile(r"<!-- [\w ./-]+: written by [^>]*-->.*?<!-- end -->", re.DOTALL)


def prose(text: str) -> str:
    """Return a page without its code."""
    return re.sub(r"`[^`\n]*`", "`code`", _FENCE.sub("", text))


def links(text: str) -> list[str]:
    """Return where a page's links and pictures point to, but for other sites."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(text)) + re.findall(r"(?:src|srcset)=\"([^\"]+)\"", text)
    return [target for target in found if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MkDocs write them."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", text), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip()) for heading in plain}


def python_blocks(text: str) -> list[str]:
    """Return a page's blocks of Python that are written by hand."""
    return [code for language, code in _FENCE.findall(_GENERATED.sub("", text)) if language == "python"]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every ``llmrec`` command that stands in a block of a page."""
    blocks = [code for language, code in _FENCE.findall(text) if language in {"bash", "sh", ""}]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    lines += [line.strip() for line in _FENCE.sub("", text).splitlines() if line.startswith("    ")]
    for line in lines:
        for part in line.split(" && "):
            plain = re.sub(r"\$\([^)]*\)", "X", part)
            if re.match(r"(\w+=\S+ )*(\.venv/bin/)?llmrec ", plain):
                words = shlex.split(plain, comments=True)
                yield words[next(n for n, word in enumerate(words) if word.endswith("llmrec")) + 1 :]


def spans(text: str) -> list[list[str]]:
    """Return the words of the ``llmrec`` commands that stand in a sentence; those with a choice are left out."""
    found = re.findall(r"`llmrec ([^`\n]+)`", _FENCE.sub("", text))
    return [shlex.split(words) for words in found if not re.search(r"\.\.\.|\||%", words)]
