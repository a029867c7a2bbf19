"""Narrow terminals, notebooks with and without widgets, no color, a cache that cannot be written."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TimeElapsedColumn

from llmrec.bars import bar_console, fitting
from llmrec.cli.app import run
from llmrec.errors import EnvironmentFault
from llmrec.resources.cached import cached_folder


@pytest.mark.parametrize(("width", "drawn"), [(40, 1), (100, 3)])
def test_a_narrow_line_has_no_room_for_a_bar(width: int, drawn: int) -> None:
    columns: list[ProgressColumn] = [BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()]
    assert len(fitting(columns, Console(width=width))) == drawn


def test_a_notebook_without_widgets_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    plain = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ipywidgets" else plain(name))
    console = bar_console()
    assert not console.is_jupyter
    assert not console.is_terminal
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert bar_console().is_jupyter


@pytest.mark.parametrize("environment", [{"COLUMNS": "40"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}])
def test_a_table_in_40_columns_and_without_color(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run(["recipes"]) == 0
    out = capsys.readouterr().out
    if "COLUMNS" in environment:
        assert max(map(len, out.splitlines())) <= 40
        assert {"gru", "sasrec", "item-knn"} <= set(out.split())
    assert "\x1b[3" not in out


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path: Path) -> None:
    def fill(_: Any) -> None:
        raise AssertionError

    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(
        EnvironmentFault, match=r"cannot write in .*; LLMREC_CACHE names another folder for the cache"
    ):
        cached_folder(tmp_path / "file" / "wheels" / "one", fill, source="test")
