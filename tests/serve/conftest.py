"""Tiny runs to serve: a GRU, an LLM, a stack of rules and that LLM, and a Markov chain that needs no PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.serving import NEEDS, Served, films_with_years, served

from llmrec import Recipe, Split
from llmrec.data import Dataset
from llmrec.models import StackedRecommender, from_recipe, load


@pytest.fixture(scope="session")
def films() -> Dataset:
    """12 films with years, 30 users."""
    return films_with_years()


@pytest.fixture(scope="session")
def runs(films: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for runs, with a Markov chain in it."""
    folder = tmp_path_factory.mktemp("runs")
    from_recipe(Recipe(model="markov")).fit(films).save(folder / "markov")
    return folder


@pytest.fixture(scope="session")
def gru_run(films: Dataset, runs: Path) -> Path:
    """A GRU, hardly trained."""
    recipe = {
        "model": "gru",
        "sequence": {"dim": 16, "max_items": 10},
        "train": {"epochs": 1, "batch_tokens": 600},
    }
    from_recipe(Recipe.of(recipe)).fit(films).save(runs / "gru")
    return runs / "gru"


@pytest.fixture(scope="session")
def llm_run(tiny_recipe: Callable[..., Recipe], films: Dataset, runs: Path) -> Path:
    """A tiny LLM, hardly trained, that reads five items."""
    recipe = tiny_recipe("soft", "train.epochs=1", "history.max_items=5")
    from_recipe(recipe).fit(Split.leave_last_out(films).train).save(runs / "llm")
    return runs / "llm"


@pytest.fixture(scope="session")
def stack_run(llm_run: Path, films: Dataset, runs: Path) -> Path:
    """That LLM and two rules, weighed together."""
    split, llm = Split.leave_last_out(films), load(llm_run)
    rules = [from_recipe(Recipe(model=kind)).fit(split.train) for kind in ("popularity", "markov")]
    StackedRecommender.of([*rules, llm], split).save(runs / "stack")
    return runs / "stack"


@pytest.fixture(scope="module")
def gru(gru_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The GRU, served."""
    pytest.importorskip("fastapi", reason=NEEDS)
    with served(gru_run, tmp_path_factory.mktemp("events") / "gru.sqlite") as one:
        yield one


@pytest.fixture(scope="module")
def llm(llm_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The LLM, served."""
    pytest.importorskip("fastapi", reason=NEEDS)
    with served(llm_run, tmp_path_factory.mktemp("events") / "llm.sqlite") as one:
        yield one


@pytest.fixture(scope="module")
def stack(stack_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The stack, served."""
    pytest.importorskip("fastapi", reason=NEEDS)
    with served(stack_run, tmp_path_factory.mktemp("events") / "stack.sqlite") as one:
        yield one
