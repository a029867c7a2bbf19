"""A client gives the tables of the model that is served, and one line for whatever is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from support.serving import NEEDS, Served, films_with_years, served

import llmrec
from llmrec import Client, Filter, Histories, Recipe
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
    assert client.items("harbor")["title"].str.contains("Harbor").all()
    assert client.run()["items"] == 12


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
    done = httpx2.Response(200, json={"items": []})
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
