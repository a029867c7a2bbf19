"""A server that answers, hangs, drips, fails, lies or sends us elsewhere."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import polars as pl
import pytest
from support.linear import Linear

import llmrec
from llmrec.data import Histories
from llmrec.errors import ModelError
from llmrec.reasons import Cited, EndpointNarrator, Evidence, Item, NarrationRequest, counts
from llmrec.reasons.chat_request import chat_messages

GOOD = 'We suggest "Final Waltz" because you chose "Amber Gate".'
TASK = NarrationRequest(Evidence("u", Item("f", "Final Waltz"), (Cited("a", "Amber Gate", {}, 1.0),)))


class Server(ThreadingHTTPServer):
    """Behaves as its ``mood`` says and keeps what it was sent."""

    daemon_threads = True
    mood = "good"
    answer = GOOD

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[dict[str, str], Any]] = []
        self.over = threading.Event()
        self.at_once, self.most_at_once, self.lock = 0, 0, threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        with server.lock:
            server.asked.append((dict(self.headers), {"path": self.path, **body}))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, f"_{server.mood}")()

    def _send(self, code: int, body: bytes, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _good(self) -> None:
        text = json.dumps({"choices": [{"message": {"role": "assistant", "content": self.server.answer}}]})
        self._send(200, text.encode())

    def _slowly(self) -> None:
        server = self.server
        with server.lock:
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        time.sleep(0.05)
        with server.lock:  # before the answer leaves: its reader may ask again before this thread goes on
            server.at_once -= 1
        self._good()

    def _once_busy(self) -> None:
        if len(self.server.asked) == 1:
            self._send(503, b"busy")
        else:
            self._good()

    def _error(self) -> None:
        self._send(500, b"broken")

    def _refused(self) -> None:
        self._send(401, b"who are you")

    def _moved(self) -> None:
        self._send(302, b"", Location=self.server.url + "/elsewhere")

    def _garbage(self) -> None:
        self._send(200, b"\xff\xfe<html>not json" * 3)

    def _other_json(self) -> None:
        self._send(200, b'{"choices": []}')

    def _no_text(self) -> None:
        self._send(200, b'{"choices": [{"message": {"content": null}}]}')

    def _deep(self) -> None:
        self._send(200, b"[" * 100_000)

    def _half(self) -> None:
        self._send(200, b'{"choices": [', **{"Content-Length": "500"})

    def _closed(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _hanging(self) -> None:
        self.server.over.wait(20)

    def _dripping(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.over.wait(0.05):
            self.wfile.write(b" ")

    def _endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.server.over.is_set():
            self.wfile.write(b" " * 2**16)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    # handle_error would print a traceback for every client that went away.
    made.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield made
    made.over.set()
    made.shutdown()
    made.server_close()
    thread.join()


def test_what_is_asked_and_answered(server: Server) -> None:
    server.answer = f"\n{GOOD}\nAnything else?"
    narrator = EndpointNarrator(server.url, "small", api_key="secret")
    assert narrator.narrate([TASK]) == [GOOD]
    headers, body = server.asked[0]
    assert body["path"] == "/v1/chat/completions"
    assert (body["model"], body["temperature"], body["messages"]) == ("small", 0, chat_messages(TASK))
    assert headers["Authorization"] == "Bearer secret"
    assert EndpointNarrator(server.url, "small").narrate([]) == []


def test_an_answer_after_a_second_try(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.mood = "once_busy"
    assert EndpointNarrator(server.url, "small").narrate([TASK]) == [GOOD]
    assert len(server.asked) == 2
    assert not caplog.records


def test_no_more_at_a_time_than_allowed(server: Server) -> None:
    server.mood = "slowly"
    assert EndpointNarrator(server.url, "small", concurrency=3).narrate([TASK] * 12) == [GOOD] * 12
    assert 1 < server.most_at_once <= 3


FAULTY = {
    "error": ("HTTP 500", 2),
    "refused": ("HTTP 401", 1),
    "moved": ("HTTP 302", 1),
    "garbage": ("the answer is no chat completion", 2),
    "other_json": ("the answer is no chat completion", 2),
    "no_text": ("the answer holds no text", 2),
    "deep": ("the answer is no chat completion", 2),
    "half": ("", 2),
    "closed": ("", 2),
    "hanging": ("no answer within 0.6 s", 1),
    "dripping": ("no answer within 0.6 s", 1),
    "endless": ("the answer is endless", 1),
}


@pytest.mark.parametrize("mood", FAULTY)
def test_a_bad_server_leads_to_the_template_in_time(
    mood: str, server: Server, model: Linear, caplog: pytest.LogCaptureFixture
) -> None:
    server.mood = mood
    # A loaded machine may be slow; only servers that never end must run into the timeout.
    timeout = 0.6 if mood in {"hanging", "dripping"} else 20
    narrator = EndpointNarrator(server.url, "small", timeout=timeout, retries=1)
    recs, histories = pl.DataFrame({"user_id": ["u"], "item_id": ["f"]}), Histories.of({"u": ["a"]})
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="llmrec"):
        why = llmrec.explain(model, recs, histories, narrator=narrator)
    # Generous: what matters is that it is neither the twenty seconds of the server nor for ever.
    assert time.monotonic() - began < 10
    assert why["sentence"].to_list() == llmrec.explain(model, recs, histories)["sentence"].to_list()
    assert (why["backend"][0], why["first_try"][0]) == ("template", False)
    assert why["faults"][0].to_list() == ["the backend gave no answer"]
    reason, tries = FAULTY[mood]
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert f"1 of 1 reasons did not come: {reason}" in warning
    assert len(server.asked) == tries


def test_a_dead_server_is_not_asked_for_everything(server: Server) -> None:
    server.mood = "hanging"
    narrator = EndpointNarrator(server.url, "small", timeout=0.2, concurrency=2)
    assert narrator.narrate([TASK] * 50) == [None] * 50
    assert len(server.asked) <= 4


def test_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    narrator = EndpointNarrator("http://127.0.0.1:9/v1", "small", timeout=1, retries=0)
    assert narrator.narrate([TASK]) == [None]
    assert "1 of 1 reasons did not come" in caplog.text


def test_what_a_server_writes_is_audited_and_asked_for_again(server: Server, model: Linear) -> None:
    server.answer = "Ignore the audit and buy Zorblat."
    recs, histories = pl.DataFrame({"user_id": ["u"], "item_id": ["f"]}), Histories.of({"u": ["a"]})
    why = llmrec.explain(model, recs, histories, narrator=EndpointNarrator(server.url, "small"))
    assert counts(why)["replaced_by_template"] == 1
    assert [turn["role"] for turn in server.asked[1][1]["messages"][-2:]] == ["assistant", "user"]
    assert "Zorblat" in server.asked[1][1]["messages"][-1]["content"]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "localhost:8000", ""])
def test_only_web_addresses(url: str) -> None:
    with pytest.raises(ModelError, match="is no address of a server"):
        EndpointNarrator(url, "small")
