"""Bodies that somebody meant badly, as requests to a service; the same for the same generator and run."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from eval.benchmarks import hostile_values as values

REFUSED = frozenset({400, 404, 405, 408, 409, 413, 415, 422, 431})
EITHER = REFUSED | {200}
JSON = ("Content-Type", "application/json")


@dataclass(frozen=True)
class HostileRequest:
    """The bytes of one request, without its key, and which statuses may answer it.

    ``right``: whether the JSON of a 200 is right. ``length``: what Content-Length says instead.
    ``pause``: seconds between the bytes of the body; ``whole``: False where the client never sends the rest.
    ``parsed``: False for what is no HTTP, which is refused before anybody asks for a key. ``afterwards``: what
    must be answered right, too, once this one was taken.
    """

    kind: str
    method: str
    target: str
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = (JSON,)
    statuses: frozenset[int] = REFUSED
    right: Callable[[Any], bool] | None = None
    length: str | None = None
    pause: float = 0.0
    whole: bool = True
    parsed: bool = True
    afterwards: HostileRequest | None = None


@dataclass(frozen=True)
class Target:
    """Ids that the run knows; ``victim`` is the item whose columns are changed."""

    items: Sequence[str]
    users: Sequence[str]
    victim: str

    @property
    def address(self) -> str:
        """Where the victim is changed."""
        return f"/items/{quote(self.victim, safe='')}"


Maker = Callable[[random.Random, Target], HostileRequest]
BODIES: dict[str, Maker] = {}


def is_list(most: int, *, by_score: bool = True) -> Callable[[Any], bool]:
    """Return a test of an answer: a list of at most so many items, each once, by score unless rules move them."""

    def right(answer: Any) -> bool:
        rows = answer["items"]
        scores = [row["score"] for row in rows]
        return (
            len({row["item_id"] for row in rows}) == len(rows) <= most
            and [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
            and (not by_score or scores == sorted(scores, reverse=True))
        )

    return right


def post(kind: str, path: str, body: object, **more: Any) -> HostileRequest:
    """Return a request with a body: bytes as they are, all else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HostileRequest(kind, "POST", path, content, **more)


def answered_body(rng: random.Random, target: Target) -> tuple[str, dict[str, Any]]:
    """Return the path of a call and a body that it would answer."""
    items = target.items
    history = {"history": rng.sample(items, 3)}
    event = {"item_id": items[0], "rating": 3.5, "event_id": "e"}
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/recommend", {**history, "k": 3, "diversity": 0.2, "filter": {"deny": [items[0]]}, "explain": True}),
        ("/similar", {"item_ids": [items[0]], "k": 2, "filter": {"deny": [items[1]]}}),
        ("/ranks", {**history, "item_ids": [items[0]], "without": history["history"], "exclude_seen": False}),
        ("/lookup", {"item_ids": items[:2]}),
        ("/explain", {**history, "item_ids": [items[-1]], "tone": "plain"}),
        ("/predict", {**history, "item_ids": [items[0]]}),
        ("/events", {"user_id": "bad", "events": [event]}),
    ]
    return rng.choice(bodies)


def _kind(make: Maker) -> Maker:
    BODIES[make.__name__.strip("_")] = make
    return make


@_kind
def _numbers(rng: random.Random, target: Target) -> HostileRequest:
    path, body = rng.choice(
        [
            ("/recommend", '{"history": [], "k": %s}'),
            ("/recommend", '{"history": [], "diversity": %s}'),
            ("/recommend", '{"history": [], "filter": {"boosts": {"title = 1": %s}}}'),
            ("/recommend", '{"history": [], "filter": {"at_most": {"title": %s}}}'),
            ("/recommend", '{"events": [{"item_id": "1", "timestamp": %s}]}'),
            ("/events", '{"user_id": "n", "events": [{"item_id": "1", "price": %s}]}'),
            ("/events", '{"user_id": %s, "events": [{"item_id": "1"}]}'),
        ]
    )
    return post("numbers", path, (body % rng.choice(values.NUMBERS)).encode(), statuses=EITHER)


@_kind
def _deep_json(rng: random.Random, target: Target) -> HostileRequest:
    depth = rng.choice([100, 1000, 20_000, 100_000])
    begin, end = rng.choice([("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
    field = rng.choice(["history", "filter", "item_ids", "events", "columns"])
    content = f'{{"{field}": {begin * depth}1{end * depth if rng.random() < 0.7 else ""}}}'
    return post("deep_json", rng.choice(["/recommend", "/events"]), content.encode())


@_kind
def _large(rng: random.Random, target: Target) -> HostileRequest:
    title = "a" * rng.choice([9_000, 10_001, 10**6, 10**7])
    content = json.dumps({"columns": {"title": title}}).encode()
    statuses = frozenset({200}) if len(title) < 10_000 else frozenset({413, 422})
    return HostileRequest("large", "PUT", target.address, content, statuses=statuses)


@_kind
def _markup_in_titles(rng: random.Random, target: Target) -> HostileRequest:
    title = f"{rng.choice(values.MARKUP)} {rng.randrange(10**6)}"
    content = json.dumps({"columns": {"title": title}}).encode()

    def shown(answer: Any) -> bool:
        return [item["item_id"] for item in answer["items"]] == [target.victim]

    search = f"/items?query={quote(target.victim, safe='')}&limit=1"
    kind, statuses = "markup_in_titles", frozenset({200})
    afterwards = HostileRequest(kind, "GET", search, headers=(), statuses=statuses, right=shown)
    return HostileRequest(kind, "PUT", target.address, content, statuses=statuses | {422}, afterwards=afterwards)


@_kind
def _markup_in_fields(rng: random.Random, target: Target) -> HostileRequest:
    text, item = rng.choice(values.MARKUP), target.items[0]
    short = text[:99]
    path, body = rng.choice(
        [
            ("/explain", {"history": [item], "item_ids": [target.victim], "tone": text[:40]}),
            ("/explain", {"history": [item, text[:500]], "item_ids": [target.victim]}),
            ("/recommend", {"history": [item], "filter": {"where": [f"title = '{short}'"]}}),
            ("/recommend", {"history": [item], "filter": {"at_most": {short: 1}}}),
            ("/events", {"user_id": short, "events": [{"item_id": item, "behavior": short, "event_id": short}]}),
        ]
    )
    return post("markup_in_fields", path, body, statuses=EITHER)


@_kind
def _paths_as_ids(rng: random.Random, target: Target) -> HostileRequest:
    path = rng.choice(values.PATHS)

    def named(answer: Any) -> bool:
        return answer["unknown_items"] == [path] and is_list(4)(answer)

    if rng.random() < 0.5:
        statuses = frozenset({200}) if len(path) <= 512 else REFUSED
        body = {"history": [target.items[0], path], "k": 4}
        return post("paths_as_ids", "/recommend", body, statuses=statuses, right=named)
    method, folder = rng.choice([("DELETE", "items"), ("DELETE", "users"), ("GET", "users"), ("PUT", "items")])
    content = json.dumps({"columns": {"title": "A Path"}}).encode() if method == "PUT" else b""
    address = f"/{folder}/{quote(path, safe=rng.choice(['', '/']))}"
    return HostileRequest("paths_as_ids", method, address, content, (JSON,) if content else (), statuses=EITHER)


@_kind
def _duplicate_keys(rng: random.Random, target: Target) -> HostileRequest:
    text = rng.choice(
        [
            '{"history": [], "k": 1000000, "k": 2}',
            '{"history": [], "k": 2, "k": 1000000}',
            '{"history": [null], "history": [], "k": 2}',
            '{"user_id": "nobody", "history": [], "user_id": null, "k": 2}',
            '{"history": [], "\\u006b": 2, "filter": {"deny": [1]}, "filter": {"deny": [{}]}}',
        ]
    )
    return post("duplicate_keys", "/recommend", text.encode(), statuses=EITHER, right=is_list(2))


@_kind
def _encodings(rng: random.Random, target: Target) -> HostileRequest:
    name = rng.choice(values.CHARSETS)
    text = json.dumps({"history": [target.items[0], "é", "映画"], "k": 2}, ensure_ascii=False)
    content = text.encode(name, errors="replace")
    content = rng.choice([content, content[:-3], b"\xc0\xaf" + content, content.replace(b"2", b"\xff")])
    kind = ("Content-Type", rng.choice([JSON[1], f"{JSON[1]}; charset={name}"]))
    return post("encodings", "/recommend", content, headers=(kind,), statuses=EITHER, right=is_list(2))


@_kind
def _surrogates(rng: random.Random, target: Target) -> HostileRequest:
    path, body = rng.choice(
        [
            ("/recommend", '{"history": ["%s"]}'),
            ("/recommend", '{"user_id": "%s"}'),
            ("/recommend", '{"history": [], "filter": {"where": ["title = \'%s\'"]}}'),
            ("/recommend", '{"history": [], "filter": {"at_most": {"%s": 1}}}'),
            ("/explain", '{"history": [], "item_ids": ["1"], "tone": "%s"}'),
            ("/events", '{"user_id": "s", "events": [{"item_id": "%s"}]}'),
            ("/events", '{"user_id": "s", "events": [{"item_id": "1", "behavior": "%s"}]}'),
            ("/events", '{"user_id": "s", "events": [{"item_id": "1", "event_id": "%s"}]}'),
            ("/recommend", '{"history": [], "%s": 1}'),
        ]
    )
    return post("surrogates", path, (body % rng.choice(values.SURROGATES)).encode())


@_kind
def _conditions(rng: random.Random, target: Target) -> HostileRequest:
    text = rng.choice(values.CONDITIONS)
    rules = rng.choice([{"where": [text] * rng.choice([1, 16, 17])}, {"boosts": {text: rng.choice([0, 1e15])}}])
    body = {"history": [target.items[0]], "k": 5, "filter": rules, "diversity": rng.choice([0, 1])}
    return post("conditions", "/recommend", body, statuses=EITHER, right=is_list(5, by_score=False))


@_kind
def _extreme_events(rng: random.Random, target: Target) -> HostileRequest:
    user, item = f"extreme-{rng.randrange(10**9)}", rng.choice([target.items[0], "unknown", "\u0000", 2**70])
    extremes = {name: rng.choice(values.EXTREMES) for name in ("timestamp", "rating", "price", "quantity")}
    event = {"item_id": item, "behavior": rng.choice(["\u0000", "purchase", "é" * 200]), **extremes}
    body = {"user_id": user, "events": [event] * rng.choice([1, 3, 2000, 2001])}
    list_of = {"user_id": user, "k": 3}
    afterwards = post("extreme_events", "/recommend", list_of, statuses=frozenset({200}), right=is_list(3))
    return post("extreme_events", "/events", body, statuses=EITHER, afterwards=afterwards)


@_kind
def _wrong_types(rng: random.Random, target: Target) -> HostileRequest:
    path, body = answered_body(rng, target)
    name = rng.choice([*body, "path", "url", "__proto__", "unknown_items"])
    return post("wrong_types", path, {**body, name: rng.choice(values.WRONG_TYPES)}, statuses=EITHER)


@_kind
def _damaged(rng: random.Random, target: Target) -> HostileRequest:
    path, body = answered_body(rng, target)
    content = bytearray(json.dumps(body).encode())
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(content) + 1)
        piece = rng.choice([*values.PIECES, rng.randbytes(3), bytes(content[at : at + 9])])
        content[at : at + rng.randrange(0, 4)] = piece
    return post("damaged", path, bytes(content), statuses=EITHER)


@_kind
def _searches(rng: random.Random, target: Target) -> HostileRequest:
    text = rng.choice(
        [*values.MARKUP, *values.PATHS, "(a+)+$" * 30, "[" * 200, "\\", "%", ".*", "a" * 201, " " * 200]
    )
    limit = rng.choice(["1", "100", "101", "-1", "1e9", "NaN", "9" * 5000, ""])
    more = rng.choice(["", "&query=a", "&query=%ff", "&x[]=1", "&" * 500])
    address = f"/{rng.choice(['items', 'users'])}?query={quote(text[:2000], safe='')}&limit={limit}{more}"
    return HostileRequest("searches", "GET", address, headers=(), statuses=EITHER)


@_kind
def _reloads(rng: random.Random, target: Target) -> HostileRequest:
    bodies = [
        {"run": "/etc/passwd"},
        {"new_data": "../x"},
        {"new_data": None},
        [],
        "reload",
        {"new_data": ["replay"]},
    ]
    return post("reloads", "/reload", rng.choice(bodies))
