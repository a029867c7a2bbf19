"""Write the parts of docs/ that come from the code: python docs/site/blocks.py write | check.

``recipes`` and ``fields`` are tables of what is shipped and of what recipes can say, from the recipe classes;
``file PATH`` is a file of the repository, as it is.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from llmrec.config import Recipe, Section, fields_of, names, purpose_of
from llmrec.models.registry import SHIPPED, class_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"(<!-- (recipes|fields|file \S+): [^>]*-->\n).*?(<!-- end -->)", re.DOTALL)


def main(words: list[str]) -> int:
    """Run one of the two commands; returns the exit code."""
    texts = {page: page.read_text(encoding="utf-8") for page in PAGES}
    match words:
        case ["write"]:
            for page, text in texts.items():
                page.write_text(filled(text), encoding="utf-8")
            return 0
        case ["check"]:
            old = [str(page.relative_to(ROOT)) for page, text in texts.items() if filled(text) != text]
            if old:
                print(f"{', '.join(old)}: not as the code says; python docs/site/blocks.py write")
            return 1 if old else 0
    print(__doc__, file=sys.stderr)
    return 2


def filled(text: str) -> str:
    """Return a page with its generated parts made from the code."""
    return BLOCK.sub(lambda found: found[1] + _written(found[2]) + found[3], text)


def _written(block: str) -> str:
    if block.startswith("file "):
        path = ROOT / block.removeprefix("file ")
        return f"```python\n{path.read_text(encoding='utf-8')}```\n"
    return _recipes() if block == "recipes" else _fields()


def _recipes() -> str:
    rows = [(f"`{name}`", f"`{Recipe.load(name).model}`", purpose_of(name)) for name in names()]
    return _table(("recipe", "model", "made for"), rows)


def _fields() -> str:
    """One table a section of recipes, with the models that read each field."""
    readers = _readers()
    parts = []
    for heading, prefix, section in _sections():
        rows = []
        for path, _, default, meaning in fields_of(section):
            who = _named(readers[prefix + path], readers["train.epochs"])
            rows.append((f"`{prefix}{path}`", f"`{_as_yaml(default)}`", who, meaning))
        parts += [f"### {heading}\n", _table(("field", "default", "read by", "meaning"), rows)]
    return "\n".join(parts)


def _sections() -> list[tuple[str, str, Section]]:
    """Return heading, prefix and a value with every field set: of the recipe itself, and of each section."""
    inner = {
        name: info.annotation
        for name, info in Recipe.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
    }
    itself = Recipe.model_construct(_fields_set=set(Recipe.model_fields) - set(inner))
    whole = {name: kind.model_construct(_fields_set=set(kind.model_fields)) for name, kind in inner.items()}
    return [("The recipe itself", "", itself), *((name, f"{name}.", section) for name, section in whole.items())]


def _readers() -> dict[str, list[str]]:
    """Return the shipped models that read each field, by its path."""
    readers: dict[str, list[str]] = defaultdict(list)
    for kind in SHIPPED:
        known = class_of(kind)
        assert known is not None
        complete = Recipe(name=kind, model=kind).complete(known.sections, known.options)
        for field in fields_of(complete):
            readers[field.path].append(kind)
    return readers


def _named(kinds: Sequence[str], networks: Sequence[str]) -> str:
    if len(kinds) == len(SHIPPED):
        return "all"
    if kinds == networks:
        return "networks, the LLM"
    if kinds == [kind for kind in networks if kind != "llm"]:
        return "networks"
    return ", ".join(f"`{kind}`" for kind in kinds)


def _as_yaml(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in cells)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
