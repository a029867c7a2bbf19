"""A run holds what reasons tell of times and prices: by days, as it was paid, and gone with the person."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import llmrec
from llmrec import Dataset, Recipe
from llmrec.artifact import HISTORIES
from llmrec.cli.app import run as llmrec_command
from llmrec.models import from_recipe, load, run_files
from llmrec.models.base import Recommender
from llmrec.reasons import Fact

DAY, START = 86_400, 1_290_000_000
RECS = pl.DataFrame({"user_id": ["ann"], "item_id": ["tea"], "rank": [1]})


def shop() -> Dataset:
    """Twelve people who buy tea once a month and other things between, at prices that only the log has."""
    people = ["ann", *(f"u{n}" for n in range(11))]
    rows = [
        {"user_id": user, "item_id": item, "timestamp": START + day * DAY + 60 * number, "price": price}
        for number, user in enumerate(people)
        for day, item, price in [
            *((30 * month, "tea", 2.5) for month in range(4)),
            *((7 * n + 3, f"thing{(number + n) % 10}", 2.0 + (n % 3) / 2) for n in range(8)),
        ]
    ]
    events = pl.DataFrame(rows).sort("timestamp")
    titles = {"tea": "Green Tea", **{f"thing{n}": f"Thing {'abcdefghij'[n]}" for n in range(10)}}
    return Dataset.from_tables(events, items=pl.DataFrame({"item_id": [*titles], "title": [*titles.values()]}))


@pytest.fixture(scope="module")
def fitted() -> Recommender:
    return from_recipe(Recipe.of({"name": "knn", "model": "item-knn"})).fit(shop())


def facts(model: Recommender) -> dict[str, Fact]:
    (evidence,) = llmrec.explain(model, RECS, model.histories).evidence
    return {fact.kind: fact for fact in evidence.facts}


def test_a_saved_run_tells_of_prices_and_rhythm_as_the_fitted_model_does(
    fitted: Recommender, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted.save(tmp_path / "run")
    loaded = load(tmp_path / "run")
    assert facts(loaded) == facts(fitted)
    assert (facts(loaded)["rhythm"].count, facts(loaded)["rhythm"].of) == (4, 30)
    assert facts(loaded)["price"].values == ("2.50", "2.50", "2.50")
    times = loaded.histories.events["timestamp"]
    assert (times % DAY == 0).all(), "no more than the day is known"
    assert llmrec_command(["explain", str(tmp_path / "run"), "--user", "ann", "--item", "tea", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert {"rhythm", "price"} & {fact["kind"] for fact in row["facts"]}, row["sentence"]
    loaded.save(tmp_path / "again")
    assert facts(load(tmp_path / "again")) == facts(fitted), "a loaded run that is saved keeps them"


def test_a_run_of_before_is_read_and_tells_less(
    fitted: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_files, "starts_of_days", lambda events: None)
    monkeypatch.setattr(run_files, "prices_paid", lambda events, catalog: None)
    fitted.save(tmp_path / "run")
    assert pl.read_parquet(tmp_path / "run" / HISTORIES).columns == ["user_id", "item_id"]
    loaded = load(tmp_path / "run")
    assert not {"price", "rhythm"} & facts(loaded).keys()
    assert llmrec.explain(loaded, RECS, loaded.histories)["sentence"][0]


def test_without_people_a_run_holds_neither_times_nor_prices(fitted: Recommender, tmp_path: Path) -> None:
    fitted.save(tmp_path / "run")
    llmrec.models.forgetting.forget_users(tmp_path / "run", fitted.histories.user_ids)
    assert pl.read_parquet(tmp_path / "run" / HISTORIES).is_empty()
    without = load(tmp_path / "run")
    assert llmrec.explain(without, RECS, {"ann": ["tea", "thing1"]})["sentence"][0]


def test_what_models_read_of_prices_stays_uncomparable_in_several_currencies(tmp_path: Path) -> None:
    data = shop()
    rated = data.events.with_columns(currency=pl.Series(["EUR", "JPY"] * (data.events.height // 2)))
    histories = Dataset.from_tables(rated, items=data.catalog.table).histories
    run_files.write_histories(histories, data.catalog, ["price"], tmp_path)
    assert pl.read_parquet(tmp_path / HISTORIES).columns == [
        "user_id",
        "item_id",
        "price",
        "timestamp",
        "currency",
    ]
    run_files.write_histories(histories, data.catalog, [], tmp_path)
    assert pl.read_parquet(tmp_path / HISTORIES).columns == ["user_id", "item_id", "timestamp"]
