"""The examples in docstrings are true, and every name of ``llmrec`` has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pages import ROOT

from llmrec.models import registry

EXAMPLE = ">>> "
FILES = sorted(path for path in (ROOT / "llmrec").rglob("*.py") if EXAMPLE in path.read_text(encoding="utf-8"))
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in an empty folder, and forget which models examples register."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    yield


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert failed == 0


@pytest.mark.parametrize("package", ["llmrec"])
def test_every_public_name_has_an_example(package: str) -> None:
    module = importlib.import_module(package)
    objects = {name: getattr(module, name) for name in module.__all__}
    public = {name: one for name, one in objects.items() if inspect.isclass(one) or inspect.isfunction(one)}
    assert len(public) > 1
    assert [name for name, one in public.items() if EXAMPLE not in (one.__doc__ or "")] == []


def test_a_false_example_is_seen() -> None:
    def told() -> str:
        """Say it.

        >>> 1 + 1
        3
        """
        return "it"

    (example,) = doctest.DocTestFinder().find(told, "told", globs={})
    assert doctest.DocTestRunner(verbose=False).run(example, out=lambda _: None).failed == 1
