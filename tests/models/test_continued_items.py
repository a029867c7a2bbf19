"""What a run that goes on from another makes of the items that were removed from that."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl
import pytest

from llmrec import Dataset, Recipe, Split, load
from llmrec.data import toy_films
from llmrec.models.runs import fit_run


def test_what_was_removed_stays_removed_unless_it_is_chosen_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    films, recipe = toy_films(n_items=12, n_users=40), Recipe.load("markov")
    items, late = films.catalog.table, pl.int_range(pl.len()).over("user_id") >= 6
    old = Dataset.from_tables(films.events.filter(~late), items=items, name="old")
    grown = Dataset.from_tables(films.events.filter(~late | (pl.col("item_id") != "3")), items=items, name="grown")
    fit_run(recipe, old, Split.leave_last_out(old), tmp_path / "old", progress=False)
    load(tmp_path / "old", journal=True).remove_items(["3", "5"])
    with caplog.at_level(logging.WARNING):
        split = Split.leave_last_out(grown)
        model = fit_run(recipe, grown, split, tmp_path / "new", progress=False, continue_from=tmp_path / "old")
    assert "grown: 1 removed items of" in caplog.text and "stay removed, e.g. '3'" in caplog.text
    assert "have new events and are back, e.g. '5'" in caplog.text
    for one in (model, load(tmp_path / "new")):
        assert one.catalog.removed is not None
        assert one.catalog.table.filter(one.catalog.removed)["item_id"].to_list() == ["3"]
        listed = one.recommend([["2"]], 12, exclude_seen=False)["item_id"].to_list()
        assert "3" not in listed and "5" in listed
