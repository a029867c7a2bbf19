"""Score by a saved run in another process: what a model remembers of this one does not help there."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from operator import attrgetter
from pathlib import Path

from llmrec.arrays import Float32s
from llmrec.data import Histories
from llmrec.models.base import Recommender


def scores_in_another_process(kind: type[Recommender], run: Path, histories: list[list[str]]) -> Float32s:
    """Load a run there and score. Raises AssertionError for a class that is not at the top of a module."""
    assert "<locals>" not in kind.__qualname__, f"{kind.__qualname__}: define the class at the top of a module"
    file = inspect.getsourcefile(kind)
    return _worker().submit(_scores, kind.__module__, str(file), kind.__qualname__, str(run), histories).result()


@cache
def _worker() -> ProcessPoolExecutor:
    """One process for all runs: importing torch takes seconds."""
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def _scores(module: str, file: str, name: str, run: str, histories: list[list[str]]) -> Float32s:
    kind: type[Recommender] = attrgetter(name)(_imported(module, file))
    return kind.load(run).score(Histories.of(histories))


def _imported(module: str, file: str) -> object:
    """Import a module by its name, or a test file by its path: not all of them can be imported by name."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        spec = importlib.util.spec_from_file_location(module, file)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[module] = loaded
        spec.loader.exec_module(loaded)
        return loaded
