"""The address of a server is read as clients read it, and shown without what is secret."""

from __future__ import annotations

import base64

import pytest

from llmrec.errors import ModelError
from llmrec.reasons import EndpointNarrator
from llmrec.reasons.address import Address, shown_address


@pytest.mark.parametrize(
    ("text", "url", "shown"),
    [
        ("http://localhost:8000/v1", "http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1"),
        ("HTTP://localhost:8000/v1///", "http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1"),
        ("https://h/v1/chat/completions", "https://h/v1/chat/completions", "https://h/v1"),
        ("http://[::1]:80/v1", "http://[::1]:80/v1/chat/completions", "http://[::1]:80/v1"),
        (
            "https://müller.de/é",
            "https://xn--mller-kva.de/%C3%A9/chat/completions",
            "https://xn--mller-kva.de/%C3%A9",
        ),
        ("https://h/v1?key=s3cret&v=2", "https://h/v1/chat/completions?key=s3cret&v=2", "https://h/v1"),
    ],
)
def test_where_it_posts(text: str, url: str, shown: str) -> None:
    address = Address.of(text)
    assert (address.url, address.shown, dict(address.headers)) == (url, shown, {})
    assert "s3cret" not in repr(address).replace(address.url, "")
    assert EndpointNarrator(text, "m").url == shown


def test_who_asks() -> None:
    address = Address.of("http://h/v1", api_key="k3y")
    assert (dict(address.headers), address.secrets) == ({"Authorization": "Bearer k3y"}, ("k3y",))
    address = Address.of("http://ann:p%40ss@h:80/v1")
    token = base64.b64encode(b"ann:p@ss").decode()
    assert (address.url, address.shown) == ("http://h:80/v1/chat/completions", "http://h:80/v1")
    assert dict(address.headers) == {"Authorization": f"Basic {token}"}
    assert {"p@ss", "p%40ss", token} == set(address.secrets)
    assert Address.of("http://t0ken@h/v1").secrets[0] in {"t0ken", base64.b64encode(b"t0ken:").decode()}
    assert Address.of("http://h/v1", api_key="").secrets == ()
    assert "s3cret" in Address.of("https://h/v1?key=s3cret").secrets
    with pytest.raises(ModelError, match=r"http://h/v1: there is an API key and a user"):
        Address.of("http://ann:p@h/v1", api_key="k3y")


@pytest.mark.parametrize(
    "key", ["k3y\n", "k3y\r\nX-Other: 1", " k3y", "k\x003y", "k3yé", "k3\u202ey", "k\ud8003y"]
)
def test_a_key_that_no_header_holds(key: str) -> None:
    with pytest.raises(ModelError, match="the API key holds a line break") as refused:
        EndpointNarrator("http://h/v1", "m", api_key=key)
    assert "3y" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost:8000",
        "file:///etc/passwd",
        "http://",
        "http://:80/v1",
        "http://h:port/v1",
        "http://h:99999/v1",
        "http://[::1/v1",
        "http://h/v1\r\nX: 1",
        "http://h/v 1",
        "http://h/v1#part",
        f"http://{'a' * 300}/v1",
        "ftp://ann:s3cret@h/v1",
        "ann:s3cret@h:80/v1",
        "http://ann:s3/c@ret@h:port/v1?key=s3cret\x1b[2J",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ModelError, match=r"is no address of a server; write it as http://localhost:8000/v1") as no:
        EndpointNarrator(text, "m")
    assert "s3" not in str(no.value)
    assert "\x1b" not in str(no.value)
    assert len(str(no.value)) < 300


def test_how_it_is_shown() -> None:
    assert shown_address("http://ann:s3c@ret@h/v1?key=1") == "http://***@h/v1?***"
    assert shown_address("localhost:8000") == "localhost:8000"


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_a_number_of_seconds(timeout: float) -> None:
    with pytest.raises(ModelError, match="give the seconds"):
        EndpointNarrator("http://h/v1", "m", timeout=timeout)
