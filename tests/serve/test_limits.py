"""Too many, too late, too full: refused with the status that says so, and nothing is left that hangs."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.serving import NEEDS, Served, served

pytest.importorskip("fastapi", reason=NEEDS)

from llmrec.serve.app import guarded_app
from llmrec.serve.served_run import ServedRun


@contextmanager
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let the model answer only once an event is set."""
    go, plain = threading.Event(), ServedRun.recommend

    def waiting(self: ServedRun, queries: Any) -> Any:
        assert go.wait(600)
        return plain(self, queries)

    monkeypatch.setattr(ServedRun, "recommend", waiting)
    try:
        yield go
    finally:
        go.set()


def test_a_full_queue_is_429(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        served(runs / "markov", tmp_path / "e", queue=2, batch=1, deadline=600) as one,
        held(monkeypatch) as go,
        ThreadPoolExecutor(3) as pool,
    ):
        taken = [pool.submit(one.post, "/recommend", history=["3"])]
        while one.metric("llmrec_batch_size_count") < 1:  # until it is worked on it fills the queue, too
            assert not taken[0].done()
            time.sleep(0.01)
        taken += [pool.submit(one.post, "/recommend", history=["3"]) for _ in range(2)]
        while one.metric("llmrec_queue") < 2:
            assert not any(answer.done() for answer in taken)
            time.sleep(0.01)
        response = one.client.post("/recommend", json={"history": ["3"]})
        assert (response.status_code, response.headers["retry-after"]) == (429, "1")
        assert response.json()["error"]["code"] == "busy"
        go.set()
        assert all(answer.result()["items"] for answer in taken)


def test_what_takes_too_long_is_504_and_not_done_later(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(runs / "markov", tmp_path / "e", deadline=0.1, batch=1) as one, held(monkeypatch) as go:
        assert "no answer within 0.1 seconds" in one.refused("/recommend", 504, history=["3"])
        assert "no answer within" in one.refused("/recommend", 504, history=["4"])
        one.service.settings = replace(one.service.settings, deadline=600)
        go.set()
        assert one.post("/recommend", history=["5"])["items"]
        assert one.metric("llmrec_batch_size_count") == 2  # the second was taken back before it began


def test_a_full_disk_is_503_and_nothing_is_acknowledged(runs: Path, tmp_path: Path) -> None:
    with served(runs / "markov", tmp_path / "e") as one:
        writer = one.service._store._writer
        pages = writer.execute("PRAGMA page_count").fetchone()[0]
        writer.execute(f"PRAGMA max_page_count = {pages}")
        many = [{"item_id": "3", "behavior": "x" * 100} for _ in range(500)]
        assert "database or disk is full" in one.refused("/events", 503, user_id="new", events=many)
        assert one.metric("llmrec_events_total", outcome="refused") == 500
        one.refused("/recommend", 404, user_id="new")
        writer.execute("PRAGMA max_page_count = 100000")
        assert one.post("/events", user_id="new", events=many)["accepted"] == 500


def test_a_client_that_goes_away_in_a_stream_leaves_room_for_others(gru: Served) -> None:
    streams = gru.service._streams
    sent: list[dict[str, Any]] = []

    async def ask() -> None:
        body = b'{"history": ["3", "4"], "item_ids": ["5", "6", "7"]}'
        messages = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]

        async def receive() -> dict[str, Any]:
            return messages.pop(0) if messages else await asyncio.Event().wait()  # type: ignore[return-value]

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)
            await asyncio.sleep(0)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/explain",
            "raw_path": b"/explain",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
        }
        await asyncio.wait_for(guarded_app(gru.service)(scope, receive, send), 20)  # type: ignore[arg-type]

    asyncio.run(ask())
    assert sent[0]["status"] == 200
    assert b"event: done" not in b"".join(message.get("body", b"") for message in sent)
    until = time.monotonic() + 60
    while streams._n_running:  # a thread may still be at what nobody waits for
        assert time.monotonic() < until
        time.sleep(0.01)
    assert gru.client.post("/explain", json={"history": ["3"], "item_ids": ["5"]}).text.endswith(
        "event: done\ndata: {}\n\n"
    )


def test_what_is_computed_after_its_deadline_is_still_counted(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, query = threading.Event(), {"history": ["3"], "item_ids": ["4"]}
    with served(runs / "markov", tmp_path / "e", explaining=1) as one:
        monkeypatch.setattr(one.service._streams, "_deadline", 0.1)
        with monkeypatch.context() as patch:
            patch.setattr("llmrec.serve.reasons.ranks_without", lambda *_, **__: go.wait(60))
            assert "no answer within 0.1 seconds" in one.refused("/ranks", 504, **query)
            one.refused("/ranks", 429, **query)
            one.refused("/explain", 429, **query)
            go.set()
        until = time.monotonic() + 60
        while one.client.post("/ranks", json=query).status_code != 200:
            assert time.monotonic() < until
            time.sleep(0.01)


def test_so_many_reasons_at_a_time_and_no_more(gru: Served) -> None:
    with gru.service._streams._one_more(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(gru.service._streams, "_most", 1)
        assert "1 requests for reasons" in gru.refused("/explain", 429, history=["3"], item_ids=["5"])
        assert "1 requests for reasons" in gru.refused("/recommend", 429, history=["3"], explain=True)


def test_an_llm_words_reasons_and_its_words_are_audited(llm_run: Path, tmp_path: Path) -> None:
    with served(llm_run, tmp_path / "e", backend="llm") as one:
        body = {"history": ["3", "4", "8"], "item_ids": [str(n) for n in (0, 1, 2, 5, 6, 7)]}
        text = one.client.post("/explain", json=body).text
    lines = [line for line in text.splitlines() if line]
    assert [line.removeprefix("event: ") for line in lines[::2]] == ["evidence"] * 6 + ["reason"] * 6 + ["done"]
    reasons = [json.loads(line.removeprefix("data: ")) for line in lines[13:25:2]]
    narrated = [reason for reason in reasons if reason["faults"] or reason["backend"] == "llm"]
    assert narrated  # the tiny LLM writes nonsense, and the audit says so
    assert all(reason["sentence"] for reason in reasons)
