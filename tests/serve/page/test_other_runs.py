"""The page of other runs than a network's over items: with tasks, and several models together."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from support.browser import Browser, listening
from support.page import settled, three_films, titles, wait_for_events

from llmrec import Recipe, Split
from llmrec.data import Dataset
from llmrec.models import StackedRecommender, from_recipe

pytestmark = pytest.mark.slow


def test_a_run_with_tasks_says_what_it_predicts(browser: Browser, films: Dataset, tmp_path: Path) -> None:
    row = pl.int_range(pl.len())
    bought = pl.when(row % 3 == 0).then(pl.lit("purchase")).otherwise(pl.lit("view")).alias("behavior")
    events = films.events.with_columns(bought, (2.0 + row % 4).alias("rating"))
    data = Dataset.from_tables(events, items=films.catalog.table, name="films", keep_unseen_items=True)
    recipe = {"model": "gru-events", "tasks": ["behavior", "rating", "gap"], "history": {"events": ["behavior"]}}
    sizes = {"sequence": {"dim": 16, "max_items": 10}, "train": {"epochs": 2}}
    from_recipe(Recipe.of(recipe | sizes)).fit(data).save(tmp_path / "run")
    with listening(tmp_path / "run", tmp_path / "e.sqlite") as one:
        three_films(browser, one.url)
        browser.wait(lambda: len(browser.all(".card .predicted")) == 10)
        model, ids = one.service.run.model, [card.get_attribute("data-item") for card in browser.all(".card")]
        first = model.predict_response(model.histories.of([["3", "4", "5"]]), ids[:1]).to_dicts()[0]
        words = browser.texts(".card:first-child .predicted li")
        likeliest = max(("purchase", "view"), key=lambda behavior: first[f"behavior_{behavior}"])
        assert words[0] == "would " + ", ".join(
            f"{name} {first[f'behavior_{name}']:.0%}"
            for name in (likeliest, "view" if likeliest == "purchase" else "purchase")
        )
        assert words[1] == f"rates it {first['rating']:.2f}"
        assert browser.texts("#next li")[0].startswith("comes back after ")
        assert len(browser.all("#next li")) == 1
        browser.click("#language")
        browser.wait(lambda: browser.texts("#next li")[0].startswith("多久后再来"))
        browser.click("#clear")
        browser.wait(lambda: browser.all(".empty"))
        assert not browser.all(".predicted")
        assert browser.faults() == []


def test_several_models_together_and_no_predictions(browser: Browser, films: Dataset, tmp_path: Path) -> None:
    split = Split.leave_last_out(films)
    members = [from_recipe(Recipe(model=name)).fit(split.train) for name in ("item-knn", "markov")]
    StackedRecommender.of(members, split).save(tmp_path / "run")
    with listening(tmp_path / "run", tmp_path / "e.sqlite") as one:
        three_films(browser, one.url)
        assert browser.all(".card mark") and browser.all(".evidence .fill") and not browser.all(".predicted")
        before = titles(browser)
        browser.click(".card:first-child [data-act=similar]")
        browser.wait(lambda: browser.all(".alike .chips button"))
        browser.click("#control-diversity")  # variety without vectors: by the mix of a column
        browser.wait(lambda: titles(browser) != before and settled(browser))
        browser.click("#events li:last-child [data-act=remove]")
        wait_for_events(browser, 2)
        assert browser.all(".moved")
        assert browser.faults() == []
