"""A model that reads what events say besides their items reads it of events that are sent, too."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest
from support.serving import NEEDS, Served, served

pytest.importorskip("fastapi", reason=NEEDS)

from llmrec import Histories, Recipe
from llmrec.data import Dataset, toy_films
from llmrec.models import from_recipe

SENT = [
    {"item_id": "3", "behavior": "view", "rating": 2.0, "timestamp": 1_700_900_000.0},
    {"item_id": "4", "behavior": "purchase", "rating": 5.0, "timestamp": 1_700_900_100.0},
    {"item_id": "5", "behavior": "never met", "timestamp": 1_700_990_000.0},
]


@pytest.fixture(scope="module")
def events_gru(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("fields")
    films = toy_films(n_items=12, n_users=40)
    bought = pl.int_range(pl.len()) % 3 == 0
    events = films.events.with_columns(
        pl.when(bought).then(pl.lit("purchase")).otherwise(pl.lit("view")).alias("behavior"),
        (2.0 + pl.int_range(pl.len()) % 4).alias("rating"),
    )
    recipe = {
        "model": "gru-events",
        "tasks": ["behavior", "rating", "gap"],
        "history": {"events": ["behavior", "rating", "gap"]},
        "sequence": {"dim": 16},
        "train": {"epochs": 1, "batch_tokens": 400},
    }
    data = Dataset.from_tables(events, items=films.catalog.table, name="fields")
    from_recipe(Recipe.of(recipe)).fit(data).save(folder / "run")
    with served(folder / "run", folder / "events.sqlite") as one:
        yield one


def test_lists_for_events_are_the_model_s(events_gru: Served) -> None:
    model = events_gru.service.run.model
    table = pl.DataFrame([{"user_id": "u", **event} for event in SENT])
    histories = Histories.from_events(table.with_columns(pl.col("timestamp").cast(pl.Int64)))
    expected = model.recommend(histories, 5)
    rows = events_gru.post("/recommend", events=SENT, k=5)["items"]
    assert [row["item_id"] for row in rows] == expected["item_id"].to_list()
    np.testing.assert_allclose([row["score"] for row in rows], expected["score"], atol=1e-5)
    plain = events_gru.post("/recommend", history=["3", "4", "5"], k=5)["items"]
    assert [row["score"] for row in plain] != [row["score"] for row in rows]
    events_gru.post("/events", user_id="new", events=SENT)
    assert events_gru.post("/recommend", user_id="new", k=5)["items"] == rows


def test_milliseconds_are_no_seconds(events_gru: Served) -> None:
    late = [{**event, "timestamp": float(event["timestamp"]) * 1000} for event in SENT]  # type: ignore[arg-type]
    for path, more in (("/recommend", {}), ("/events", {"user_id": "late"})):
        said = events_gru.refused(path, 422, events=late, **more)
        assert "events.0.timestamp" in said and "milliseconds are divided by 1000" in said
    assert events_gru.client.get("/users/late").status_code == 404


def test_predictions_are_the_model_s(events_gru: Served) -> None:
    model = events_gru.service.run.model
    user = model.histories.user_ids[0]
    answer = events_gru.post("/predict", user_id=user, item_ids=["3", "7", "3"])
    expected = model.predict_response(model.histories.of_user(user), ["3", "7"]).drop("user_id")
    assert [row["item_id"] for row in answer["predictions"]] == ["3", "7"]
    for row, other in zip(answer["predictions"], expected.to_dicts(), strict=True):
        assert row == pytest.approx(other)
    said = events_gru.client.get("/run").json()
    assert (said["tasks"], said["item_tasks"]) == (["behavior", "rating", "gap"], ["behavior", "rating"])


def test_a_known_user_goes_on_with_what_was_sent(events_gru: Served) -> None:
    model = events_gru.service.run.model
    user = model.histories.user_ids[1]
    known = model.histories.of_user(user).events
    events_gru.post("/events", user_id=user, events=SENT[:2])
    sent = pl.DataFrame(SENT[:2]).select(pl.col(name).cast(kind) for name, kind in known.schema.items())
    both = pl.concat([known, sent])
    expected = model.recommend(Histories((user,), both, np.array([0, both.height])), 3)
    rows = events_gru.post("/recommend", user_id=user, k=3)["items"]
    assert [row["item_id"] for row in rows] == expected["item_id"].to_list()
    np.testing.assert_allclose([row["score"] for row in rows], expected["score"], atol=1e-5)
