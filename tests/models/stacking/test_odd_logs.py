"""Stacks of an LLM, a network and rules on logs whose times say nothing, and with people of a single event."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from support.stack_logs import stacked

from llmrec import Dataset, Recipe, Split
from llmrec.data import toy_films
from llmrec.errors import DataError
from llmrec.evaluation import evaluate
from llmrec.models import StackedRecommender, from_recipe

FILMS = toy_films(n_items=12, n_users=30)
RULES = ("item-knn", "linear", "markov", "recent", "popularity", "repeat-last")


def with_times(times: pl.Expr) -> Dataset:
    return Dataset.from_tables(FILMS.events.with_columns(timestamp=times), items=FILMS.catalog.table, name="odd")


@pytest.fixture
def stack(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> Recipe:
    llm = tmp_path / "llm.yaml"
    llm.write_text(tiny_recipe("soft", "train.epochs=1", "history.events=[gap]").to_yaml(), encoding="utf-8")
    return stacked(str(llm), "gru sequence.dim=8 train.epochs=1 train.schedule=constant", *RULES)


def test_all_events_at_one_moment(stack: Recipe) -> None:
    """Nothing is recent, no pause is longer than another, and every answer is tied."""
    split = Split.leave_last_out(with_times(pl.lit(1_600_000_000)))
    assert not split.train.order_only
    model = from_recipe(stack).fit(split.train, valid=split.valid)
    assert isinstance(model, StackedRecommender)
    assert [one.kind for one in model.members] == ["llm", "gru", *RULES]
    scores = {one.kind: one.score(split.test.histories) for one in model.members}
    order = {name: (-scores[name]).argsort(axis=1, kind="stable").tolist() for name in ("recent", "popularity")}
    assert order["recent"] == order["popularity"]
    report = evaluate({"stack": model}, split)
    gaps = [(one.name, one.users) for one in report.results[0].slices if one.by == "gap before the answer"]
    assert gaps == [("the same time", 30)]
    assert any(note.startswith("tied-timestamps: 30 of 30 answers") for note in report.notes)


def test_a_log_that_is_an_order_alone(stack: Recipe, caplog: pytest.LogCaptureFixture) -> None:
    """What needs times is left out by name, the rest is fitted."""
    split = Split.leave_last_out(Dataset.from_tables(FILMS.events.drop("timestamp"), items=FILMS.catalog.table))
    assert split.train.order_only
    model = from_recipe(stack).fit(split.train, valid=split.valid)
    assert isinstance(model, StackedRecommender)
    assert [one.kind for one in model.members] == ["gru", *(kind for kind in RULES if kind != "recent")]
    assert "recent is left out of the stack" in caplog.text
    assert "history.events has gap, and this log only has an order" in caplog.text


def test_people_of_one_event(stack: Recipe) -> None:
    """Beside others they are in no fold and get lists; where there is nobody else, nothing can be held out."""
    once = FILMS.events.with_columns(pl.int_range(pl.len()).over("user_id").alias("n"))
    single = pl.col("user_id").is_in(["3", "4"])
    some = Dataset.from_tables(once.filter(~single | (pl.col("n") == 0)).drop("n"), items=FILMS.catalog.table)
    split = Split.leave_last_out(some)
    assert not {"3", "4"} & {*split.test.histories.user_ids, *split.valid.histories.user_ids}
    model = from_recipe(stack).fit(split.train, valid=split.valid)
    lists = model.recommend(model.histories.of_users(["3", "4"]), 5)
    assert lists.group_by("user_id").len().sort("user_id").rows() == [("3", 5), ("4", 5)]
    assert np.isfinite(lists["score"].to_numpy()).all()
    everybody = Dataset.from_tables(once.filter(pl.col("n") == 0).drop("n"), items=FILMS.catalog.table)
    with pytest.raises(DataError, match="no user has 3 events, so there is nothing to hold out"):
        Split.leave_last_out(everybody)
