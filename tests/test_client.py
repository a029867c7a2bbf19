"""A client gives the tables of the model that is served, and one line for whatever is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.serving import NEEDS, Served, films_with_years, served

import llmrec
from llmrec import Calibration, Client, Filter, Histories, Recipe
from llmrec.client.client import EXPLAINED_AT_ONCE
from llmrec.data import Dataset
from llmrec.errors import DataError, EnvironmentFault
from llmrec.models import Recommender, from_recipe

pytest.importorskip("fastapi", reason=NEEDS)


@pytest.fixture(scope="module")
def films() -> Dataset:
    """12 films with years, 30 users."""
    return films_with_years()


@pytest.fixture(scope="module")
def gru(films: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Recommender]]:
    """A client of a served GRU, and the GRU."""
    folder = tmp_path_factory.mktemp("client")
    values = {"model": "gru", "sequence": {"dim": 16, "max_items": 10}, "train": {"epochs": 1}}
    from_recipe(Recipe.of(values)).fit(films).save(folder / "gru")
    with served(folder / "gru", folder / "events.sqlite") as one:
        yield _client(one), llmrec.load(folder / "gru")


def _client(one: Served) -> Client:
    client = Client("http://localhost", concurrency=4)
    client._http = one.client
    return client


def answering(*answers: httpx2.Response | Exception) -> Client:
    """Make a client of a service that gives these answers, one after the other."""
    rest = list(answers)

    def answer(_: httpx2.Request) -> httpx2.Response:
        first = rest.pop(0)
        if isinstance(first, Exception):
            raise first
        return first

    client = Client("http://localhost", timeout=2)
    client._http = httpx2.Client(base_url="http://localhost", transport=httpx2.MockTransport(answer))
    return client


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3, "exclude_seen": False},
        {"k": 3, "diversity": 0.5},
        {"k": 3, "diversity": Calibration("year", 0.5), "exclude_seen": False},
        {"k": 2, "filter": Filter("year >= 1995", deny=["8"], at_most={"year": 1}, boosts={"year = 1996": 3.0})},
    ],
)
def test_lists_are_the_model_s(gru: tuple[Client, Recommender], options: dict[str, Any]) -> None:
    client, model = gru
    for histories in (Histories.of({"ann": ["3", "4"], "bob": [], "cy": ["11"]}), model.histories[:5]):
        wanted = model.recommend(histories, **options)
        assert_frame_equal(client.recommend(histories, **options), wanted, abs_tol=1e-4)
    known = client.recommend(["7", "3"], **options)
    wanted = model.recommend(
        model.histories.take([model.histories.user_ids.index(u) for u in ("7", "3")]), **options
    )
    assert_frame_equal(known, wanted, abs_tol=1e-4)


def test_what_else_is_asked_is_the_model_s(gru: tuple[Client, Recommender]) -> None:
    client, model = gru
    assert_frame_equal(client.similar_items(["3", "5"], 4), model.similar_items(["3", "5"], 4), abs_tol=1e-5)
    recs, histories = model.recommend(model.histories[:2], 2), model.histories[:2]
    reasons = client.explain(recs, histories)
    wanted = llmrec.explain(model, recs, histories)
    assert reasons["sentence"].to_list() == wanted["sentence"].to_list()
    assert reasons["item_id"].to_list() == recs["item_id"].to_list()
    assert client.explain(recs)["sentence"].to_list() == wanted["sentence"].to_list()
    shared = set(reasons.columns) & set(wanted.table.columns)
    assert shared == set(reasons.columns)
    assert {name: reasons.schema[name] for name in shared} == {name: wanted.table.schema[name] for name in shared}
    assert reasons["facts"].to_list() == wanted["facts"].to_list() and any(reasons["facts"].to_list())
    assert client.items("harbor")["title"].str.contains("Harbor").all()
    assert client.run()["items"] == 12


def test_similar_items_under_a_filter_ranks_and_what_is_known(gru: tuple[Client, Recommender]) -> None:
    client, model = gru
    wanted = Filter("year >= 1995", at_most={"year": 1})
    alike = model.similar_items(["3", "5"], 4, filter=wanted)
    assert_frame_equal(client.similar_items(["3", "5"], 4, filter=wanted), alike, abs_tol=1e-5)
    history = Histories.of({"ann": ["3", "4"]})
    recs, fewer = model.recommend(history, 12), model.recommend(Histories.of({"ann": ["4"]}), 12)
    ranks = client.ranks(history, ["5", "3"], without=["3"])
    assert ranks.columns == ["user_id", "item_id", "without", "rank"]
    rank = recs.filter(pl.col("item_id") == "5")["rank"].item()
    above = fewer.filter(pl.col("item_id") != "3")["item_id"].to_list().index("5") + 1
    assert ranks.rows() == [
        ("ann", "5", None, rank),
        ("ann", "5", "3", above),
        ("ann", "3", None, None),
        ("ann", "3", "3", None),
    ]
    users = client.users("1", 3)
    assert users["user_id"].to_list() == [user for user in model.histories.user_ids if user.startswith("1")][:3]
    (known,) = model.histories.of_user(users["user_id"][0])
    assert client.user(users["user_id"][0])["item_id"].to_list() == known
    assert client.lookup(["3", "zz"]).select("item_id", "year").rows() == [("3", 1993)]
    assert [facet["column"] for facet in client.facets()] == ["year"]
    with pytest.raises(DataError, match="among the 30 users"):
        client.user("nobody")


def test_choices_that_were_none_are_sent_as_such(gru: tuple[Client, Recommender]) -> None:
    events = pl.DataFrame({"item_id": ["3", "4"], "positive_target": [True, False], "rating": [5.0, 1.0]})
    client, model = gru
    one = Histories(("ann",), events, np.array([0, 2]))
    assert_frame_equal(client.recommend(one, 3), model.recommend(one, 3), abs_tol=1e-4)


def test_titles_with_any_line_break_are_read() -> None:
    sentence = {"item_id": "4", "sentence": "A\u2028B\x85C", "faults": []}
    text = f"event: reason\ndata: {json.dumps(sentence, ensure_ascii=False)}\n\nevent: done\ndata: {{}}\n\n"
    table = answering(httpx2.Response(200, text=text)).explain(
        {"user_id": ["u"], "item_id": ["4"]}, Histories.of({"u": ["3"]})
    )
    assert table["sentence"].to_list() == ["A\u2028B\x85C"]


def test_histories_are_taken_in_every_form(gru: tuple[Client, Recommender]) -> None:
    client, model = gru
    table = pl.DataFrame({"user_id": ["ann", "ann"], "item_id": ["3", "4"], "timestamp": [1, 2]})
    wanted = model.recommend([["3", "4"]], 2)["item_id"].to_list()
    for one in ([["3", "4"]], {"ann": ["3", "4"]}, table):
        assert client.recommend(one, 2)["item_id"].to_list() == wanted
    assert client.recommend([], 2).is_empty()
    assert client.explain(pl.DataFrame({"user_id": [7], "item_id": [3]}))["user_id"].to_list() == ["7"]
    nothing = client.explain(pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String}))
    assert nothing.schema == client.explain({"user_id": ["7"], "item_id": ["3"]}).schema


def test_dots_are_ids_as_others(gru: tuple[Client, Recommender]) -> None:
    client, _ = gru
    for name in (".", "..", "a/../b", "%2e"):
        client.add_events(name, ["3"])
        assert client.user(name)["item_id"].to_list() == ["3"]


def test_a_stream_that_ends_early_is_said() -> None:
    with pytest.raises(EnvironmentFault, match="ended before the reason"):
        answering(httpx2.Response(200, text="event: done\ndata: {}\n\n")).explain(
            {"user_id": ["u"], "item_id": ["4"]}, Histories.of({"u": ["3"]})
        )


def test_a_list_that_is_not_worded_in_time_is_asked_for_again() -> None:
    one, other = (f'event: reason\ndata: {{"item_id": "{n}", "sentence": "{n}"}}\n\n' for n in (4, 5))
    late = 'event: error\ndata: {"error": {"message": "no answer in time"}}\n\n'
    recs, histories = {"user_id": ["u", "u"], "item_id": ["4", "5"]}, Histories.of({"u": ["3"]})
    from llmrec.serve.queries import MOST_EXPLAINED

    assert EXPLAINED_AT_ONCE <= MOST_EXPLAINED  # of one request
    texts = [one + late, one + other + "event: done\ndata: {}\n\n", late]
    client = answering(*(httpx2.Response(200, text=text) for text in texts))
    assert client.explain(recs, histories)["sentence"].to_list() == ["4", "5"]
    with pytest.raises(EnvironmentFault, match="no answer in time"):
        client.explain(recs, histories)


def test_what_is_no_json_is_said() -> None:
    with pytest.raises(DataError, match="no JSON; is it a service of llmrec"):
        answering(httpx2.Response(200, text="<html>")).run()
    with pytest.raises(DataError, match="/items/1: what is sent is no JSON"):
        answering().put_items(pl.DataFrame({"item_id": ["1"], "since": [date(2020, 1, 1)]}))
    with pytest.raises(DataError, match="/events: what is sent is no JSON"):
        answering().add_events("u", [{"item_id": "1", "price": float("nan")}])


def test_events_are_taken_once(gru: tuple[Client, Recommender]) -> None:
    client, model = gru
    assert client.add_events("dora", ["3", {"item_id": "4", "event_id": "e-1"}]) == 2
    assert client.add_events("dora", [{"item_id": "4", "event_id": "e-1"}]) == 0
    wanted = model.recommend(Histories.of({"dora": ["3", "4"]}), 3)
    assert_frame_equal(client.recommend("dora", 3), wanted, abs_tol=1e-4)


def test_items_change_and_go_and_people_are_forgotten(films: Dataset, tmp_path: Path) -> None:
    from_recipe(Recipe(model="markov")).fit(films).save(tmp_path / "run")
    with served(tmp_path / "run", tmp_path / "events.sqlite") as one:
        client = _client(one)
        best = client.recommend("7", 1)["item_id"][0]
        client.put_items({"item_id": [best], "year": [2024]})
        assert client.recommend("7", 1, filter=Filter("year = 2024"))["item_id"].to_list() == [best]
        client.remove_items([best])
        assert best not in client.recommend("7", 8)["item_id"].to_list()
        client.forget_user("7")
        with pytest.raises(DataError, match="7"):
            client.recommend("7")
        with pytest.raises(DataError, match="x"):
            client.remove_items(["../x"])
        with pytest.raises(DataError, match="columns"):
            client.put_items({"item_id": ["1"]})


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda client: client.recommend("nobody"), "nobody"),
        (lambda client: client.recommend(["3"], 0), "k: "),
        (lambda client: client.similar_items(["99"]), "item '99' is not in the catalog"),
        (lambda client: client.predict_response("3", ["4"]), "tasks"),
        (lambda client: client.recommend("3", filter=Filter("colour = red")), "colour"),
        (lambda client: client.recommend("3", filter=Filter(pl.col("year") > 1)), "conditions as text"),
        (lambda client: client.recommend("3", filter="year > 1"), "a Filter is needed, not a str"),
        (lambda client: client.explain({"item_id": ["4"]}), "recs: no column 'user_id'"),
        (
            lambda client: client.explain({"user_id": ["x"], "item_id": ["4"]}, Histories.of({"y": ["3"]})),
            "user 'x'",
        ),
    ],
)
def test_what_is_refused_is_the_service_s_line(
    gru: tuple[Client, Recommender], ask: Callable[[Client], object], message: str
) -> None:
    with pytest.raises(DataError, match=message) as raised:
        ask(gru[0])
    assert "\n" not in str(raised.value)


def test_a_busy_service_is_asked_again() -> None:
    busy = httpx2.Response(429, headers={"Retry-After": "0"}, json={"error": {"message": "full", "code": "busy"}})
    done = httpx2.Response(200, json={"items": []}, headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"})
    assert answering(busy, busy, done).items().is_empty()
    with pytest.raises(EnvironmentFault, match="http://localhost: full"):
        answering(
            *[httpx2.Response(429, headers={"Retry-After": "9"}, json={"error": {"message": "full"}})]
        ).items()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (httpx2.Response(500, json={"error": {"message": "a fault", "code": "fault"}}), "a fault"),
        (httpx2.Response(502, text="<html>"), "status 502; is it a service of llmrec"),
        (httpx2.ConnectError("refused"), "no answer from http://localhost: ConnectError"),
    ],
)
def test_a_service_that_cannot_is_a_fault_of_the_machine(
    answer: httpx2.Response | Exception, message: str
) -> None:
    with pytest.raises(EnvironmentFault, match=message):
        answering(answer).run()


def test_bad_settings() -> None:
    with pytest.raises(DataError, match="timeout is 0"):
        Client(timeout=0)
    with pytest.raises(DataError, match="key cannot be sent"):
        Client(api_key="schlüssel")


@pytest.mark.parametrize(("key", "is_right"), [("0123456789abcdef", True), ("0123456789abcdeF", False)])
def test_its_key_is_sent(tmp_path: Path, films: Dataset, key: str, is_right: bool) -> None:
    from_recipe(Recipe(model="markov")).fit(films).save(tmp_path / "run")
    with served(tmp_path / "run", tmp_path / "events.sqlite", key="0123456789abcdef") as one:
        client = Client("http://localhost", api_key=key)
        one.client.headers, client._http = client._http.headers, one.client
        if is_right:
            assert client.run()["kind"] == "markov"
        else:
            with pytest.raises(DataError, match="key"):
                client.run()
