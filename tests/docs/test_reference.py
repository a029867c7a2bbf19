"""The reference: every public name stands in it, every model in the table of papers, and the site builds."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.pages import PACKAGES, ROOT

from llmrec.models.registry import SHIPPED


def documented() -> set[int]:
    """Return the identities of all objects that the reference's directives name."""
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs/api").glob("*.md"))
    objects = set()
    for path in re.findall(r"^::: (\S+)$", text, re.MULTILINE):
        module, _, name = path.rpartition(".")
        if path != "llmrec.errors":
            objects.add(id(getattr(importlib.import_module(module), name)))
    return objects


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_function_and_class_is_in_the_reference(package: str) -> None:
    module, known = importlib.import_module(package), documented()
    objects = {name: getattr(module, name) for name in module.__all__}
    public = [name for name, value in objects.items() if inspect.isclass(value) or inspect.isfunction(value)]
    assert len(public) > 1
    assert [name for name in public if id(getattr(module, name)) not in known] == []


def test_every_model_is_in_the_table_of_papers() -> None:
    text = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    assert [kind for kind in SHIPPED if f"`{kind}`" not in text] == []


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    if importlib.util.find_spec("mkdocs") is None or importlib.util.find_spec("mkdocstrings") is None:
        pytest.skip("MkDocs is not installed: pip install 'llmrec[docs]'")
    words = ["-m", "mkdocs", "build", "--strict", "-f", "docs/site/mkdocs.yml", "-d", str(tmp_path)]
    done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    home = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="quickstart.html"' in home
    assert "fetch(" not in re.sub(r"<script[^>]*>.*?</script>", "", home, flags=re.DOTALL)
    assert "https://fonts" not in home
    assert "llmrec recommend" in (tmp_path / "cli.html").read_text(encoding="utf-8")
