"""A service with a page, whose catalog holds scripts, and a browser to open it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from support.serving import NEEDS

pytest.importorskip("fastapi", reason=NEEDS)
pytest.importorskip("selenium", reason="needs selenium: pip install 'llmrec[dev]'")

from support.browser import Browser, Listening, listening

from llmrec import Recipe
from llmrec.data import Dataset, toy_films
from llmrec.models import from_recipe

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror=window.hacked=1>",
    '"><svg onload=window.hacked=1>',
    "{{constructor.constructor('window.hacked=1')()}} </ol></main> javascript:window.hacked=1",
)


@pytest.fixture(scope="module")
def films() -> Dataset:
    """24 films with years and genres; the titles of four are scripts."""
    data = toy_films(n_items=24, n_users=40)
    titles = data.catalog.table["title"].to_list()
    titles[20:24] = HOSTILE
    genres = [("Action", "Comedy, Drama", "Drama", "<b>Noir</b>, Comedy")[n % 4] for n in range(24)]
    items = data.catalog.table.with_row_index("year", offset=1980).select("item_id", "year")
    items = items.with_columns(title=pl.Series(titles), genres=pl.Series(genres))
    return Dataset.from_tables(data.events, items=items, name="films", keep_unseen_items=True)


@pytest.fixture(scope="module")
def runs(films: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GRU, and a Markov chain of a log without titles."""
    folder = tmp_path_factory.mktemp("runs")
    recipe = {"model": "gru", "sequence": {"dim": 16, "max_items": 10}, "train": {"epochs": 2}}
    from_recipe(Recipe.of(recipe)).fit(films).save(folder / "gru")
    bare = Dataset.from_tables(films.events.select("user_id", "item_id", "timestamp"), name="bare")
    from_recipe(Recipe(model="markov")).fit(bare).save(folder / "markov")
    return folder


@pytest.fixture(scope="module")
def page(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(runs / "gru", tmp_path_factory.mktemp("events") / "e.sqlite") as one:
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    one = Browser()
    yield one
    one.driver.quit()
