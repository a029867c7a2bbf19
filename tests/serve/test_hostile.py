"""Bodies that somebody meant badly: refused in one line, or answered right; never a fault."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.serving import NEEDS, Served

pytest.importorskip("fastapi", reason=NEEDS)

from llmrec.errors import DataError
from llmrec.serve.conditions import check_condition

JSON = {"Content-Type": "application/json"}
REFUSED: dict[str, tuple[str, str]] = {
    "nothing": ("/recommend", ""),
    "no object": ("/recommend", "[1, 2]"),
    "half": ("/recommend", '{"history": ['),
    "not UTF-8": ("/recommend", '{"history": ["\udcff"]}'),
    "half a character": ("/recommend", '{"history": ["\\ud800"]}'),
    "deep lists": ("/recommend", '{"history": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    "deep objects": ("/recommend", '{"filter": ' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}"),
    "huge number": ("/recommend", '{"history": [], "k": ' + "9" * 10_000 + "}"),
    "huge k": ("/recommend", '{"history": [], "k": 1000000000}'),
    "negative k": ("/recommend", '{"history": [], "k": -1}'),
    "k as text": ("/recommend", '{"history": [], "k": "10"}'),
    "k true": ("/recommend", '{"history": [], "k": true}'),
    "k NaN": ("/recommend", '{"history": [], "k": NaN}'),
    "diversity NaN": ("/recommend", '{"history": [], "diversity": NaN}'),
    "diversity infinite": ("/recommend", '{"history": [], "diversity": Infinity}'),
    "calibrated by nothing": ("/recommend", '{"history": [], "calibrate": "year"}'),
    "calibrated by no column": ("/recommend", '{"history": ["3"], "diversity": 1, "calibrate": "../year"}'),
    "an id that is none": ("/recommend", '{"history": [null, 1.5, {}, []]}'),
    "a long id": ("/recommend", json.dumps({"history": ["a" * 1000]})),
    "too many ids": ("/recommend", json.dumps({"history": ["3"] * 2001})),
    "two histories": ("/recommend", '{"history": [], "user_id": "1"}'),
    "another field": ("/recommend", '{"history": [], "path": "/etc/passwd"}'),
    "a call": ("/recommend", json.dumps({"history": [], "filter": {"where": ["repeat(title, 9999999) = 'a'"]}})),
    "a query": ("/recommend", json.dumps({"history": [], "filter": {"where": ["item_id in (select 1)"]}})),
    "a file": ("/recommend", json.dumps({"history": [], "filter": {"where": ["x = read_csv('/etc/passwd')"]}})),
    "deep brackets": (
        "/recommend",
        json.dumps({"history": [], "filter": {"where": ["(" * 200 + "1" + ")" * 200]}}),
    ),
    "no column": ("/recommend", json.dumps({"history": [], "filter": {"where": ["password = 'a'"]}})),
    "no condition": ("/recommend", json.dumps({"history": [], "filter": {"where": ["year"]}})),
    "every column": ("/recommend", json.dumps({"history": [], "filter": {"where": ["*"]}})),
    "a boost without bounds": ("/recommend", '{"history": [], "filter": {"boosts": {"year > 1": 1e400}}}'),
    "a path": ("/similar", '{"item_ids": ["../../etc/passwd"]}'),
    "an address": ("/explain", '{"history": ["3"], "item_ids": ["http://127.0.0.1/"]}'),
    "many items": ("/explain", json.dumps({"history": ["3"], "item_ids": ["3"] * 11})),
    "an unknown language": ("/explain", '{"history": ["3"], "item_ids": ["4"], "language": "tlh"}'),
    "no items": ("/predict", '{"history": ["3"], "item_ids": []}'),
    "no events": ("/events", '{"user_id": "1", "events": []}'),
    "a rating NaN": ("/events", '{"user_id": "1", "events": [{"item_id": "3", "rating": NaN}]}'),
    "a time without end": ("/events", '{"user_id": "1", "events": [{"item_id": "3", "timestamp": 1e300}]}'),
    "a run by its path": ("/reload", '{"run": "/tmp/mine"}'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_in_one_line(gru: Served, name: str) -> None:
    path, body = REFUSED[name]
    response = gru.client.post(path, content=body.encode("utf-8", "surrogateescape"), headers=JSON)
    assert 400 <= response.status_code < 500, response.text
    error = response.json()["error"]
    assert set(error) == {"code", "message"}
    assert error["message"].isprintable() and len(error["message"]) <= 500
    assert gru.client.get("/ready").status_code == 200


ANSWERED: dict[str, dict[str, Any]] = {
    "markup as an id": {"history": ["3", "<script>alert(1)</script>"]},
    "a path as an id": {"history": ["3", "../../../etc/passwd", "file:///etc/passwd"]},
    "a zero character": {"history": ["3", "a\x00b"]},
    "control characters": {"history": ["3", "\x1b[2J\u202e"]},
    "a number beyond 64 bits": {"history": ["3", 2**70]},
    "the same item a thousand times": {"history": ["3"] * 1000},
    "all the rules at once": {
        "history": ["3"],
        "diversity": 1,
        "filter": {
            "where": ["year between 1990 and 2001", "title like '%a%' or not year is null"],
            "deny": ["4"] * 5000,
        },
    },
}


@pytest.mark.parametrize("name", ANSWERED)
def test_it_is_answered(gru: Served, name: str) -> None:
    answer = gru.post("/recommend", k=5, **ANSWERED[name])
    assert answer["items"]
    unknown = [item for item in ANSWERED[name]["history"] if item != "3"]
    assert answer["unknown_items"] == [str(item) for item in unknown]


def test_no_events_are_an_empty_history(gru: Served) -> None:
    assert gru.post("/recommend", events=[])["items"] == gru.post("/recommend", history=[])["items"]


def test_a_user_s_id_is_a_name_and_no_more(gru: Served) -> None:
    user = "'; DROP TABLE events; --\x00../../x"
    assert gru.post("/events", user_id=user, events=[{"item_id": "3", "event_id": "' OR 1=1"}])["accepted"] == 1
    assert (
        gru.post("/recommend", user_id=user, k=2)["items"] == gru.post("/recommend", history=["3"], k=2)["items"]
    )


@pytest.mark.parametrize(
    "text",
    [
        "price < 50 and category = shoes",
        "(price + 1.5e3) * -2 >= 0 or \"the (odd) column\" = 'it''s (a) text'",
        "year in (1990, 1991) and not (title like '%a%')",
        "x between 1 and 2",
        "CAST(year AS DOUBLE) > 1990 or try_cast(price as int) in (1, 2)",
    ],
)
def test_comparisons_may_be_written(text: str) -> None:
    assert check_condition(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "lower(title) = 'a'",
        "lower (title) = 'a'",
        "lower/**/(title) = 'a'",
        '"lower"(title) = 1',
        "title = e'\\'' or lower(title)",
        "a = 1 -- and b",
        "cast(repeat(title, 99) as double) = 1",
        '"cast"(title as double) = 1',
        "exists (select 1)",
        "a = 1; drop table t",
        "a = $$x$$",
        "a = `b`",
        "a[1] = 2",
        "'open",
        "a = 1 and " * 40 + "a = 1",
        7,
    ],
)
def test_more_than_comparisons_may_not(text: object) -> None:
    with pytest.raises(DataError):
        check_condition(text)
