"""The examples in docstrings are true, and every public class and function has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import runpy

import pytest
from support.pages import PACKAGES, ROOT

EXAMPLE = ">>> "
FILES = sorted(path for path in (ROOT / "llmrec").rglob("*.py") if EXAMPLE in path.read_text(encoding="utf-8"))
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES]


@pytest.mark.usefixtures("example_folder")
@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_has_an_example(package: str) -> None:
    module = importlib.import_module(package)
    objects = {name: getattr(module, name) for name in module.__all__}
    public = {name: one for name, one in objects.items() if inspect.isclass(one) or inspect.isfunction(one)}
    assert len(public) > 1
    assert [name for name, one in public.items() if EXAMPLE not in (one.__doc__ or "")] == []


def test_examples_are_shown_as_code() -> None:
    pytest.importorskip("griffe", reason="needs mkdocstrings: pip install 'llmrec[docs]'")
    fenced = runpy.run_path(str(ROOT / "docs/site/examples.py"))["fenced"]
    assert fenced("Add.\n\n>>> 1 + 1\n2\n\nMore.") == "Add.\n\n```pycon\n>>> 1 + 1\n2\n```\n\nMore."
    assert fenced("No example.") == "No example."


def test_a_false_example_is_seen() -> None:
    def told() -> str:
        """Say it.

        >>> 1 + 1
        3
        """
        return "it"

    (example,) = doctest.DocTestFinder().find(told, "told", globs={})
    assert doctest.DocTestRunner(verbose=False).run(example, out=lambda _: None).failed == 1
