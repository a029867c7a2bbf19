"""What the page asks besides lists: ranks without an item, facets, users, what the catalog says of items."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from support.serving import NEEDS, Served, served

pytest.importorskip("fastapi", reason=NEEDS)

from llmrec.data import Catalog
from llmrec.serve.conditions import check_condition
from llmrec.serve.facets import facets_of
from llmrec.serve.queries import RecommendQuery

FILTER = {"where": ["year >= 1993"], "deny": ["9"]}


def ranks_of(one: Served, **query: Any) -> dict[str, int]:
    return {row["item_id"]: row["rank"] for row in one.post("/recommend", k=100, **query)["items"]}


def with_denied(options: dict[str, Any], items: list[str]) -> dict[str, Any]:
    if options.get("exclude_seen") is False:
        return options
    wanted = options.get("filter", {})
    return {**options, "filter": {**wanted, "deny": [*wanted.get("deny", []), *items]}}


@pytest.mark.parametrize("name", ["gru", "llm"])
@pytest.mark.parametrize("options", [{}, {"exclude_seen": False}, {"filter": FILTER}])
def test_ranks_are_those_of_the_list_without_the_item_which_is_no_candidate_then(
    name: str, options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    one: Served = request.getfixturevalue(name)
    items = [str(n) for n in range(12)]
    answer = one.post("/ranks", history=["3", "4", "3"], item_ids=items, without=["3", "4", "7"], **options)
    whole = ranks_of(one, history=["3", "4", "3"], **options)
    assert {row["item_id"]: row["rank"] for row in answer["ranks"]} == {item: whole.get(item) for item in items}
    for left_out, rest in (("3", ["4"]), ("4", ["3", "3"]), ("7", ["3", "4", "3"])):
        ranks = {row["item_id"]: row["without"][left_out] for row in answer["ranks"]}
        others = ranks_of(one, history=rest, **with_denied(options, ["3", "4"]))
        assert ranks == {item: others.get(item) for item in items}
    assert answer["run"] == one.post("/recommend", history=["3"])["run"]


def test_evidence_says_the_same_ranks(gru: Served) -> None:
    history = ["3", "4", "5"]
    rows = gru.post("/recommend", history=history, explain=True)["items"]
    items = [row["item_id"] for row in rows]
    ranks = gru.post("/ranks", history=history, item_ids=items, without=history)["ranks"]
    cited = 0
    for row, one in zip(rows, ranks, strict=True):
        assert one["rank"] == row["rank"]
        for item in row["reason"]["evidence"]:
            assert one["without"][item["item_id"]] == item["rank_without"]
            cited += 1
    assert cited > 5


def test_reasons_of_a_filtered_list_tell_no_ranks(gru: Served) -> None:
    history = ["3", "4", "5"]
    facts: dict[str, set[str]] = {}
    for name, query in {"whole": {}, "filtered": {"filter": {"where": ["year >= 1993"], "deny": ["9"]}}}.items():
        rows = gru.post("/recommend", history=history, explain=True, k=12, **query)["items"]
        facts[name] = {fact["kind"] for row in rows for fact in row["reason"]["facts"]}
    assert "rank" in facts["whole"]
    assert not {"rank", "rank_two"} & facts["filtered"]
    message = gru.refused("/explain", 422, history=history, item_ids=["7", "8"], ranks=[1])
    assert "one of ranks for each of item_ids" in message


def test_ranks_that_cannot_be_said(gru: Served) -> None:
    answer = gru.post("/ranks", history=["3", "zz"], item_ids=["4"], without=["3"])
    assert answer["unknown_items"] == ["zz"]
    assert "item 'zz' is not in the catalog" in gru.refused("/ranks", 422, history=["3"], item_ids=["zz"])
    assert "not among the 30 users" in gru.refused("/ranks", 404, user_id="nobody", item_ids=["3"])
    refused = gru.refused("/ranks", 422, history=["3"], item_ids=["4"], filter={"where": ["year > 3000"]})
    assert "leaves none" in refused
    assert "at most 50" in gru.refused("/ranks", 422, history=["3"], item_ids=["4"], without=["3"] * 51)


def test_known_users_and_what_they_did(gru: Served) -> None:
    model = gru.service.run.model
    users = gru.client.get("/users", params={"query": "1", "limit": 3}).json()["users"]
    expected = [user for user in model.histories.user_ids if user.startswith("1")][:3]
    assert [user["user_id"] for user in users] == expected
    user = gru.client.get(f"/users/{expected[0]}").json()
    history = model.histories.of_user(expected[0]).events
    assert [event["item_id"] for event in user["events"]] == history["item_id"].to_list()
    assert user["n_events"] == users[0]["events"] == history.height
    assert user["events"][0]["title"] == model.catalog.titles[model.catalog.code(user["events"][0]["item_id"])]
    events = [{name: value for name, value in event.items() if name != "title"} for event in user["events"]]
    same = [gru.post("/recommend", **query)["items"] for query in ({"user_id": expected[0]}, {"events": events})]
    assert same[0] == same[1]
    assert gru.client.get("/users/nobody").json()["error"]["code"] == "not_found"


def test_events_that_were_sent_are_among_them(gru: Served) -> None:
    event = {"item_id": "5", "timestamp": 1e9, "rating": 4.0, "positive": True}
    gru.post("/events", user_id="new/one", events=[event])
    user = gru.client.get("/users/new%2Fone").json()
    assert [row["item_id"] for row in user["events"]] == ["5"]
    assert gru.post("/recommend", user_id="new/one")["items"]


def test_a_user_of_any_id_is_known(gru: Served) -> None:
    gru.post("/events", user_id="two\nlines", events=[{"item_id": "5"}])
    assert gru.client.get("/users/two%0Alines").json()["user_id"] == "two\nlines"


@pytest.mark.parametrize("ask", ["/ranks", "/explain"])
def test_items_that_come_while_they_are_scored(
    ask: str, llm_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(llm_run, tmp_path / "run")
    with served(run, tmp_path / "e") as one:
        model, came = one.service.run.model, list[Any]()
        method = "score" if ask == "/ranks" else "score_variants"
        score = getattr(type(model), method)

        def scored(self: Any, histories: Any) -> Any:
            scores = score(self, histories)
            if not came:
                came.append(one.service.run.put_item("new", {"title": "A Quiet Zeppelin", "year": 2026}))
            return scores

        monkeypatch.setattr(type(model), method, scored)
        history = [str(n) for n in range(12)] * 2
        query: dict[str, Any] = {"history": history, "item_ids": ["5"]}
        if ask == "/ranks":
            query |= {"without": history[:12], "exclude_seen": False}
        monkeypatch.setattr("llmrec.serve.reasons.SCORED_AT_ONCE", 4)
        monkeypatch.setattr("llmrec.serve.ranks.AT_ONCE", 4)
        response = one.client.post(ask, json=query)
        assert came and response.status_code == 200, response.text


def test_looking_up_is_bounded(gru: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gru.service, "_n_reading", gru.service.settings.queue)
    for path in ("/items", "/facets", "/users"):
        assert gru.client.get(path).status_code == 429
    assert "already" in gru.refused("/lookup", 429, item_ids=["3"])


def test_what_the_catalog_says_of_items(gru: Served) -> None:
    answer = gru.post("/lookup", item_ids=["3", "zz", "1", "3"])
    assert [item["item_id"] for item in answer["items"]] == ["3", "1"]
    assert answer["items"][0]["columns"]["year"] == 1993 and answer["unknown_items"] == ["zz"]
    assert set(answer["items"][0]) == {"item_id", "title", "columns"}


def test_facets_say_conditions_that_the_list_takes(gru: Served) -> None:
    facets = {facet["column"]: facet for facet in gru.client.get("/facets").json()["facets"]}
    year = facets["year"]
    assert (year["kind"], year["low"], year["high"]) == ("number", 1990, 2001)
    condition = [year["at_least"].replace("{}", "1993"), year["at_most"].replace("{}", "1995")]
    rows = gru.post("/recommend", history=[], filter={"where": condition})["items"]
    assert sorted(row["item_id"] for row in rows) == ["3", "4", "5"]


def catalog(**columns: Any) -> Catalog:
    height = len(next(iter(columns.values())))
    ids = [str(n) for n in range(height)]
    return Catalog(pl.DataFrame({"item_id": ids, "title": ids, **columns}))


def met(one: Catalog, condition: str) -> list[str]:
    return one.table.filter(pl.sql_expr(check_condition(condition)))["item_id"].to_list()


def test_facets_of_lists_in_text_choose_whole_values_only() -> None:
    genres = ["War, Drama", "Post-War", "War", "Post-War, War", "Drama, Post-War", None]
    one = catalog(genres=genres, year=["1990", "1991", None, "1990", "", "1977"])
    by_column = {facet["column"]: facet for facet in facets_of(one)}
    values = {value["value"]: value for value in by_column["genres"]["values"]}
    assert {name: value["count"] for name, value in values.items()} == {"War": 3, "Post-War": 3, "Drama": 2}
    assert met(one, values["War"]["condition"]) == ["0", "2", "3"]
    assert met(one, values["Post-War"]["condition"]) == ["1", "3", "4"]
    year = by_column["year"]
    assert met(one, year["at_least"].replace("{}", "1990")) == ["0", "1", "3"]
    assert (year["low"], year["high"]) == (1977, 1991)


def test_facets_between_any_separators_choose_whole_values() -> None:
    for separator in (" | ", "|", ", ", ",", "; ", ";"):
        texts = ("War, Drama", "Post-War", "War", "Post-War, War", "Drama, Post-War")
        one = catalog(genres=[text.replace(", ", separator) for text in texts])
        values = {value["value"]: value for value in facets_of(one)[0]["values"]}
        for name, ids in {"War": ["0", "2", "3"], "Post-War": ["1", "3", "4"], "Drama": ["0", "4"]}.items():
            assert values[name]["count"] == len(ids)
            assert met(one, values[name]["condition"]) == ids, separator


def test_facets_count_what_their_conditions_choose_with_blanks_around_values() -> None:
    one = catalog(kind=["War ", "War", "War", " x", " x", "War ", "  "])
    values = facets_of(one)[0]["values"]
    assert [value["count"] for value in values] == [len(met(one, value["condition"])) for value in values]


def test_facets_have_no_condition_that_is_longer_than_a_query_may_say() -> None:
    long, column = "'" * 55, "c" * 60
    one = catalog(**{column: [f"{long} | x{long}", f"{long} | x{long}", "a | b", "a | b"]})
    values = facets_of(one)[0]["values"]
    assert {value["value"] for value in values} >= {"a", "b"}
    for value in values:
        RecommendQuery.model_validate({"history": [], "filter": {"where": [value["condition"]]}})


def test_facets_of_hostile_columns() -> None:
    texts = ["it's", "it's", "100%", "100%", "a\\b", "a\\b", "ok", "ok", "<b>", "<b>"]
    many = [f"number {n}" for n in range(10)]
    columns = {
        "my kind": texts,
        "from": texts,
        "count": texts,
        'a"b': texts,
        "texts": many,
        "same": ["x"] * 10,
        "bare": [None] * 10,
    }
    one = catalog(**columns, stock=[True, False] * 5, price=[float("nan"), *range(9)])
    facets = {facet["column"]: facet for facet in facets_of(one)}
    assert set(facets) == {"my kind", "from", "count", "stock", "price"}
    values = {value["value"]: value["condition"] for value in facets["my kind"]["values"]}
    assert set(values) == {"it's", "ok", "<b>"}
    assert met(one, values["it's"]) == ["0", "1"]
    for column in ("from", "count"):  # words of SQL and of polars
        assert met(one, facets[column]["values"][0]["condition"]) == met(one, values["it's"])
    assert len(met(one, facets["stock"]["values"][0]["condition"])) == 5
    assert (facets["price"]["low"], facets["price"]["high"]) == (0, 8)
    assert json.dumps(facets, allow_nan=False)
