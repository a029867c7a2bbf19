"""What the service answers is what the model answers, whatever is asked beside it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from pydantic import BaseModel
from support.serving import NEEDS, Served, served

import llmrec
from llmrec import Calibration, Filter, Histories

pytest.importorskip("fastapi", reason=NEEDS)


def assert_same(rows: list[dict[str, Any]], table: pl.DataFrame) -> None:
    assert [row["item_id"] for row in rows] == table["item_id"].to_list()
    assert [row["rank"] for row in rows] == table["rank"].to_list()
    np.testing.assert_allclose([row["score"] for row in rows], table["score"], atol=1e-4)


QUERIES: list[dict[str, Any]] = [
    {"history": ["3", "4"], "k": 3},
    {"history": [], "k": 12},
    {"history": [3, 4, 5], "exclude_seen": False},
    {"history": ["7"], "filter": {"where": ["year >= 1995"], "deny": ["8", "nope"]}, "k": 4},
    {
        "history": ["7", "1"],
        "filter": {"boosts": {"year = 1991": 9.5}, "allow": ["1", "2", "9"]},
        "exclude_seen": False,
    },
    {"history": ["2"], "diversity": 0.5, "k": 5},
    {"history": ["2"], "filter": {"at_most": {"year": 1}}, "k": 2},
    {"history": ["2", "4"], "diversity": 0.9, "calibrate": "year", "exclude_seen": False, "k": 5},
]


def expected(model: llmrec.models.Recommender, query: dict[str, Any]) -> pl.DataFrame:
    options: dict[str, Any] = {name: query[name] for name in ("exclude_seen", "diversity") if name in query}
    if "calibrate" in query:
        options["diversity"] = Calibration(query["calibrate"], query["diversity"])
    if "filter" in query:
        options["filter"] = Filter(**query["filter"])
    return model.recommend(Histories.of([query["history"]]), query.get("k", 10), **options)


@pytest.mark.parametrize("name", ["gru", "llm"])
def test_lists_are_the_model_s_alone_and_in_a_batch(name: str, request: pytest.FixtureRequest) -> None:
    one: Served = request.getfixturevalue(name)
    model = one.service.run.model
    for query in QUERIES:
        assert_same(one.post("/recommend", **query)["items"], expected(model, query))
    batches = one.metric("llmrec_batch_size_count")
    with ThreadPoolExecutor(len(QUERIES)) as pool:
        answers = list(pool.map(lambda query: one.post("/recommend", **query), QUERIES))
    for query, answer in zip(QUERIES, answers, strict=True):
        assert_same(answer["items"], expected(model, query))
    assert one.metric("llmrec_batch_size_count") - batches < len(QUERIES)


def test_a_known_user_and_an_unknown_one(gru: Served) -> None:
    model = gru.service.run.model
    user = model.histories.user_ids[3]
    answer = gru.post("/recommend", user_id=user, k=4)
    assert_same(answer["items"], model.recommend(model.histories.of_user(user), 4))
    assert answer["items"][0]["title"] == model.catalog.titles[model.catalog.code(answer["items"][0]["item_id"])]
    assert "user 'nobody' is not among the 30 users" in gru.refused("/recommend", 404, user_id="nobody")


def test_unknown_items_are_named_or_refused(gru: Served) -> None:
    answer = gru.post("/recommend", history=["3", "zz", "4", "zz"], k=2)
    assert answer["unknown_items"] == ["zz"]
    assert answer["items"] == gru.post("/recommend", history=["3", "4"], k=2)["items"]
    assert "not in the catalog: zz" in gru.refused("/recommend", 422, history=["3", "zz"], unknown_items="refuse")
    assert "none of these items" in gru.refused("/recommend", 422, history=["zz"])


def test_a_list_with_reasons(gru: Served) -> None:
    rows = gru.post("/recommend", history=["3", "4"], k=2, explain=True)["items"]
    model = gru.service.run.model
    table = model.recommend(Histories.of([["3", "4"]]), 2)
    told = llmrec.explain(model, table, Histories.of([["3", "4"]]), narrator=llmrec.reasons.TemplateNarrator())
    assert [row["reason"]["sentence"] for row in rows] == told["sentence"].to_list()
    assert [len(row["reason"]["evidence"]) for row in rows] == [len(one.cited) for one in told.evidence]


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    parts = [part.split("\n") for part in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in parts]


def test_reasons_are_streamed(gru: Served) -> None:
    response = gru.client.post("/explain", json={"history": ["3", "4"], "item_ids": ["5", "9"]})
    assert response.headers["content-type"].startswith("text/event-stream")
    events = events_of(response.text)
    assert [name for name, _ in events] == ["evidence", "evidence", "reason", "reason", "done"]
    assert [data.get("item_id") for _, data in events] == ["5", "9", "5", "9", None]
    assert all("sentence" in data for _, data in events[:4])
    assert "item 'zz' is not in the catalog" in gru.refused("/explain", 422, history=["3"], item_ids=["zz"])
    refused = gru.refused("/explain", 422, history=["3"], item_ids=["5"], instead="5")
    assert "cannot be compared with itself" in refused


def test_similar_items_under_a_filter_and_by_weights_of_items(gru: Served, runs: Path, tmp_path: Path) -> None:
    wanted = Filter("year >= 1995", deny=["9"])
    rows = gru.post("/similar", item_ids=["3"], k=3, filter={"where": ["year >= 1995"], "deny": ["9"]})["similar"]
    table = gru.service.run.model.similar_items(["3"], 3, filter=wanted)
    assert_same(rows["3"], table.rename({"item_id": "of", "similar_id": "item_id"}))
    assert "leaves none" in gru.refused("/similar", 422, item_ids=["3"], filter={"where": ["year > 3000"]})
    with served(runs / "markov", tmp_path / "e") as one:
        run = one.client.get("/run").json()
        assert (run["similar"], run["diversity"]) == (True, False)
        assert one.post("/similar", item_ids=["3"])["similar"]["3"]


def test_similar_items_and_the_search(gru: Served) -> None:
    model = gru.service.run.model
    similar = gru.post("/similar", item_ids=["3", 7], k=3)["similar"]
    for item in ("3", "7"):
        table = model.similar_items([item], 3).rename({"item_id": "of", "similar_id": "item_id"})
        assert_same(similar[item], table)
    items = gru.client.get("/items", params={"query": "harbor", "limit": 5}).json()["items"]
    assert items and all("Harbor" in item["title"] for item in items)
    assert gru.client.get("/items", params={"query": "7"}).json()["items"][0]["item_id"] == "7"
    assert gru.client.get("/items", params={"limit": 1000}).status_code == 422


def test_what_a_run_cannot_do_is_said(gru: Served) -> None:
    assert "a gru model predicts no responses" in gru.refused("/predict", 422, history=["3"], item_ids=["4"])
    run = gru.client.get("/run").json()
    assert (run["kind"], run["items"], run["tasks"], run["similar"]) == ("gru", 12, [], True)
    assert run["diversity"] is True
    assert run["columns"]["year"].startswith("UInt")
    assert run["run"] == gru.post("/recommend", history=["3"])["run"]


def test_the_state_and_the_schema(gru: Served) -> None:
    assert gru.client.get("/health").json() == gru.client.get("/ready").json() == {"status": "ok"}
    text = gru.client.get("/metrics").text
    for name in (
        "llmrec_requests_total",
        "llmrec_request_seconds_bucket",
        "llmrec_batch_size_bucket",
        "llmrec_queue 0",
    ):
        assert name in text
    paths = gru.client.get("/openapi.json").json()["paths"]
    posts = {"/recommend", "/similar", "/explain", "/predict", "/events", "/reload", "/ranks", "/lookup"}
    changed = {"/items/{item_id}", "/users/{user_id}", "/users", "/facets"}
    assert posts | changed | {"/items", "/run", "/health", "/ready", "/metrics"} == set(paths)
    for path in posts:
        failure = paths[path]["post"]["responses"]["422"]["content"]["application/json"]["schema"]
        assert failure == {"$ref": "#/components/schemas/FailureAnswer"}


def test_examples_of_the_schema_are_valid() -> None:
    from llmrec.serve import answers, queries

    every = [*vars(answers).values(), *vars(queries).values()]
    models = [one for one in every if isinstance(one, type) and issubclass(one, BaseModel)]
    examples: list[tuple[type[BaseModel], Any]] = []
    for one in models:
        extra: Any = one.model_config.get("json_schema_extra") or {}
        examples += [(one, example) for example in extra.get("examples", ())]
    assert len(examples) >= 6
    for one, example in examples:
        one.model_validate(example)
