"""Nobody without the key, no page elsewhere, no endless body reaches the model; what fails is one schema."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.serving import NEEDS, Served, served

pytest.importorskip("fastapi", reason=NEEDS)

from llmrec.errors import DataError
from llmrec.serve.page_files import page_files
from llmrec.serve.security import HEADERS, OPEN_PATHS, Guard, check_key

KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def locked(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(runs / "markov", tmp_path_factory.mktemp("events") / "e.sqlite", key=KEY) as one:
        yield one


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", f"Bearer {KEY[:-1]}", f"Bearer {KEY}0", KEY, "Bearer \xff"]
)
def test_a_missing_or_wrong_key(locked: Served, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    for method, path in (
        ("POST", "/recommend"),
        ("GET", "/items"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/no"),
    ):
        response = locked.client.request(
            method, path, headers=headers, json={"history": []} if method == "POST" else None
        )
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "unauthorized"
        assert response.headers["www-authenticate"] == "Bearer"


def test_every_address_but_the_open_ones_needs_the_key(locked: Served) -> None:
    assert OPEN_PATHS - set(page_files()) == {"/health", "/ready"}
    headers = {"Authorization": f"Bearer {KEY}"}
    paths = locked.client.get("/openapi.json", headers=headers).json()["paths"]
    needing = [(method, path) for path, one in paths.items() for method in one if path not in OPEN_PATHS]
    assert {("get", "/users"), ("get", "/facets"), ("post", "/ranks"), ("post", "/lookup")} <= set(needing)
    for method, path in needing:
        assert locked.client.request(method.upper(), path).status_code == 401
        assert locked.client.request(method.upper(), path, headers=headers).status_code != 401


def test_the_right_key_and_what_needs_none(locked: Served) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Host": "films.example:8000"}
    assert locked.client.post("/recommend", json={"history": ["3"]}, headers=headers).status_code == 200
    assert locked.client.get("/health").status_code == locked.client.get("/ready").status_code == 200


def test_keys_that_are_refused() -> None:
    check_key(None, "127.0.0.1")
    check_key(None, "::1")
    check_key(None, "localhost")
    check_key(KEY, "0.0.0.0")
    with pytest.raises(DataError, match="has 15 characters; choose at least 16"):
        check_key(KEY[:-1], "127.0.0.1")
    for host in ("0.0.0.0", "::", "192.168.1.7", "films.example"):
        with pytest.raises(DataError, match="can be reached from other machines: set LLMREC_API_KEY"):
            check_key(None, host)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "[::1", "localhost:1:evil"]
)
def test_another_host_s_name_is_refused(gru: Served, host: str) -> None:
    response = gru.client.get("/items", headers={"Host": host})
    assert response.status_code == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:9", "[::1]:8000", "[::1]"])
def test_this_machine_s_names_are_taken(gru: Served, host: str) -> None:
    assert gru.client.get("/items", headers={"Host": host}).status_code == 200


def test_every_answer_has_the_headers_and_no_other_site_may_read_it(gru: Served) -> None:
    requests = [
        ("GET", "/health", 200),
        ("GET", "/nothing", 404),
        ("GET", "/recommend", 405),
        ("POST", "/recommend", 422),
        ("DELETE", "/items", 405),
        ("OPTIONS", "/recommend", 405),
    ]
    for method, path, status in requests:
        response = gru.client.request(method, path, headers={"Origin": "https://evil.example"})
        assert response.status_code == status
        assert all(response.headers[name] == value for name, value in HEADERS.items())
        assert not [name for name in response.headers if name.startswith("access-control")]
        assert "server" not in response.headers


def test_only_json_of_a_bounded_size_is_read(gru: Served) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        response = gru.client.post("/recommend", content=b'{"history": []}', headers={"Content-Type": kind})
        assert response.status_code == 415
    json = {"Content-Type": "application/json; charset=utf-8"}
    assert gru.client.post("/recommend", content=b'{"history": []}', headers=json).status_code == 200
    large = b'{"history": ["' + b"a" * 10**7 + b'"]}'
    assert gru.client.post("/recommend", content=large, headers=json).status_code == 413
    assert gru.client.post("/recommend", content=iter([large]), headers=json).status_code == 413
    assert (
        gru.client.post("/recommend", content=b"{}", headers={**json, "Content-Length": "9" * 30}).status_code
        == 413
    )


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def never(*_: object) -> None:
        raise AssertionError("it was let through")

    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/recommend",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }
    asyncio.run(Guard(never, key=None, body_seconds=0.05)(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 408

    async def gone() -> dict[str, object]:
        return {"type": "http.disconnect"}

    asyncio.run(Guard(never, key=None)(scope, gone, send))  # type: ignore[arg-type]
    assert sent[2]["status"] == 400
