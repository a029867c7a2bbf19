"""The README says what the result files say."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_generated_parts_are_those_of_the_result_files() -> None:
    script = runpy.run_path(str(ROOT / "eval" / "readme.py"))
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert script["filled"](text) == text


@pytest.mark.parametrize("name", ["output", "table", "fused"])
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
