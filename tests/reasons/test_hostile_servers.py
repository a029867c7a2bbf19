"""Every server that ``support.hostile_servers`` knows: in time, and neither its words nor the key is shown."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import polars as pl
import pytest
from support.hostile_servers import BEHAVIORS, GOOD, KEY, HostileServer, Link, answer, completion
from support.linear import Linear
from support.patience import Patience, waited_for

import llmrec
from llmrec.config import Recipe
from llmrec.data import Histories, toy_films
from llmrec.models import from_recipe
from llmrec.reasons import EndpointNarrator, counts
from llmrec.reasons.exchange import each

TIMEOUT = 0.3
# Of servers that never end: others are waited for as long as their words take to be read.
SHORT, WAITED_FOR = 0.1, ("hangs", "drips", "endless", "never")
RECS, HISTORIES = pl.DataFrame({"user_id": ["u"], "item_id": ["f"]}), Histories.of({"u": ["a"]})
BAD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def requests_alive() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "_settle" in thread.name]


def ended_in(seconds: float) -> bool:
    """Whether no thread of a request is left after so long."""
    return waited_for(lambda: not requests_alive(), seconds)


@pytest.mark.parametrize("name", BEHAVIORS)
def test_no_server_hangs_us_speaks_to_a_terminal_or_gets_the_key_shown(
    name: str, model: Linear, caplog: pytest.LogCaptureFixture
) -> None:
    with HostileServer(BEHAVIORS[name]) as server, caplog.at_level(logging.DEBUG):
        timeout = SHORT if name.startswith(WAITED_FOR) else 4.0
        narrator = EndpointNarrator(server.url, "m", api_key=KEY, timeout=timeout, retries=0)
        with Patience() as patience:
            why = llmrec.explain(model, RECS, HISTORIES, narrator=narrator)
        # At most two tries; none of these servers would end within ten seconds.
        assert patience.seconds < 5
        assert ended_in(5)
        assert len(server.requests) <= 2
    shown = caplog.text + repr(why.table.to_dicts())
    assert KEY not in shown
    assert not BAD.search(shown)
    assert why["sentence"].to_list() == llmrec.explain(model, RECS, HISTORIES)["sentence"].to_list()
    assert counts(why)["replaced_by_template"] == 1


def test_there_are_as_many_as_the_issue_wants() -> None:
    assert len(BEHAVIORS) >= 38


def test_the_words_of_a_good_server_are_taken(model: Linear) -> None:
    with HostileServer(lambda link: link.send(answer(completion(GOOD)))) as server:
        why = llmrec.explain(model, RECS, HISTORIES, narrator=EndpointNarrator(server.url, "m", api_key=KEY))
    assert (why["sentence"][0], why["backend"][0], why["first_try"][0]) == (GOOD, "endpoint", True)
    assert f"Authorization: Bearer {KEY}".encode() in server.requests[0]


def test_a_key_that_stands_in_the_request_is_no_secret(model: Linear) -> None:
    with HostileServer(lambda link: link.send(answer(completion(GOOD)))) as server:
        why = llmrec.explain(model, RECS, HISTORIES, narrator=EndpointNarrator(server.url, "m", api_key="a"))
    assert why["sentence"][0] == GOOD


def test_what_a_server_says_is_quoted_only_where_it_was_told_no_secret(caplog: pytest.LogCaptureFixture) -> None:
    request = llmrec.reasons.NarrationRequest(
        llmrec.reasons.Evidence("u", llmrec.reasons.Item("f", "Final Waltz"))
    )
    with HostileServer(lambda link: link.send(answer(b"<html>no such\x1b[2J page"))) as server:
        EndpointNarrator(server.url, "m", retries=0).narrate([request])
        EndpointNarrator(server.url, "m", retries=0, api_key=KEY).narrate([request])
    first, second = caplog.messages
    assert "no chat completion: '<html>no such [2J page'" in first
    assert second.endswith("the answer is no chat completion")


def test_a_redirect_takes_the_key_nowhere(model: Linear) -> None:
    with HostileServer(lambda link: link.send(answer(completion(GOOD)))) as other:
        for status in ("301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent", "300 Many"):
            moved = answer(b"", status=status, headers=f"Location: {other.url}/chat/completions\r\n")

            def act(link: Link, moved: bytes = moved) -> None:
                link.send(moved)

            with HostileServer(act) as server:
                narrator = EndpointNarrator(server.url, "m", api_key=KEY, retries=0)
                assert llmrec.explain(model, RECS, HISTORIES, narrator=narrator)["backend"][0] == "template"
                assert len(server.requests) == 1
        assert other.requests == []


def test_names_that_are_never_resolved(monkeypatch: pytest.MonkeyPatch, model: Linear) -> None:
    over = threading.Event()

    def never(*_: object, **__: object) -> None:
        over.wait(30)
        raise OSError

    monkeypatch.setattr(socket, "getaddrinfo", never)
    narrator = EndpointNarrator("http://some.invalid/v1", "m", timeout=TIMEOUT)
    with Patience() as patience:
        assert llmrec.explain(model, RECS, HISTORIES, narrator=narrator)["backend"][0] == "template"
    assert patience.seconds < 5
    over.set()
    assert ended_in(5)


@pytest.mark.parametrize("proxied", [False, True])
@pytest.mark.parametrize("name", ["hangs", "drips_a_header", "drips_continues", "alerts_as_tls", "endless_body"])
def test_a_handshake_that_never_ends(
    name: str, proxied: bool, model: Linear, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def act(link: Link) -> None:
        BEHAVIORS[name](link)

    act.unread = True  # type: ignore[attr-defined]
    with HostileServer(act) as server:
        address = f"https://127.0.0.1:{server.port}/v1"
        if proxied:
            monkeypatch.setenv("https_proxy", server.url)
            address = "https://some.invalid/v1"
        narrator = EndpointNarrator(address, "m", api_key=KEY, timeout=TIMEOUT, retries=0)
        with Patience() as patience:
            assert llmrec.explain(model, RECS, HISTORIES, narrator=narrator)["backend"][0] == "template"
        assert patience.seconds < 5
    assert KEY not in caplog.text
    assert ended_in(5)


def test_the_deadline_holds_for_all_tries_together(model: Linear) -> None:
    with HostileServer(lambda link: link.send(answer(b"", status="503 Busy"))) as server:
        narrator = EndpointNarrator(server.url, "m", timeout=1.0, retries=50)
        with Patience() as patience:
            llmrec.explain(model, RECS, HISTORIES, narrator=narrator)
        assert patience.seconds < 5
        assert 2 <= len(server.requests) <= 4


def test_an_interruption_stops_what_is_left() -> None:
    stopped, done = threading.Event(), list[int]()

    def work(n: int) -> int:
        done.append(n)
        if n == 1:
            signal.raise_signal(signal.SIGINT)
        stopped.wait(30)
        return n

    with pytest.raises(KeyboardInterrupt):
        each(work, range(100), threads=2, stop=stopped.set)
    assert stopped.is_set()
    assert each(lambda n: -n, range(5), threads=3, stop=stopped.set) == [0, -1, -2, -3, -4]
    with pytest.raises(ZeroDivisionError):
        each(lambda n: 1 / n, [1, 0, 2], threads=2, stop=stopped.set)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("name", ["hangs", "endless_continues"])
def test_the_first_ctrl_c_ends_it(name: str, tmp_path: Path) -> None:
    from_recipe(Recipe(model="markov")).fit(toy_films(n_items=12, n_users=30)).save(tmp_path / "run")
    arrived = threading.Event()

    def act(link: Link) -> None:
        arrived.set()
        BEHAVIORS[name](link)

    source = "from llmrec.cli import main; main()"
    words = ["recommend", str(tmp_path / "run"), "--user", "1", "-k", "2", "--explain", "--model", "m"]
    words += ["--timeout", "300"]
    with HostileServer(act) as server:
        command = [sys.executable, "-c", source, *words, "--backend", server.url]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert arrived.wait(60)
            time.sleep(0.2)  # several requests are under way
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=45)  # the server hangs for longer
    assert (process.returncode, out, err) == (130, b"", b"error: interrupted\n")
