"""The command itself: told to load another run, told to end."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import socket
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError

import pytest
from support.serving import NEEDS, Process, process

pytest.importorskip("fastapi", reason=NEEDS)

from llmrec import Recipe
from llmrec.cli.app import run as command
from llmrec.data import Dataset
from llmrec.models import from_recipe
from llmrec.serve.events import EventStore


def test_another_run_takes_over_without_dropping_a_request(runs: Path, films: Dataset, tmp_path: Path) -> None:
    folder, refused, served_by, ending = tmp_path / "run", [], [], threading.Event()
    from_recipe(Recipe(model="popularity")).fit(films).save(tmp_path / "new")

    def point(name: str) -> None:
        """Let the run be another folder, in one step, as docs/deploy.md says."""
        (tmp_path / "next").symlink_to(name)
        (tmp_path / "next").replace(folder)

    point(str(runs / "markov"))

    def keep_asking(one: Process) -> None:
        while not ending.is_set():
            try:
                served_by.append(one.post("/recommend", history=["3"], k=2)["run"])
            except OSError as error:
                refused.append(str(error))

    with process(folder) as one:
        threads = [threading.Thread(target=keep_asking, args=(one,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        point("nothing")
        with pytest.raises(OSError, match="409"):
            one.post("/reload")
        first = one.post("/recommend", history=["3"], k=2)["run"]
        point("new")
        second = one.post("/reload")
        assert second["kind"] == "popularity"
        assert one.post("/recommend", history=["3"], k=2)["run"] == second["run"] != first
        point(str(runs / "markov"))
        one.popen.send_signal(signal.SIGHUP)
        until = time.monotonic() + 30
        while one.post("/recommend", history=["3"], k=2)["run"] != first and time.monotonic() < until:
            time.sleep(0.05)
        ending.set()
        for thread in threads:
            thread.join()
        assert one.end() == 0
    assert refused == []
    assert set(served_by) == {first, second["run"]}


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the system bounds no files of a running process")
def test_what_a_full_disk_does_not_hold_is_not_acknowledged(runs: Path, tmp_path: Path) -> None:
    path, statuses, n_sent = tmp_path / "e", [], 0

    def send(one: Process) -> None:
        nonlocal n_sent
        n_sent += 1
        event = {"item_id": "3", "event_id": str(n_sent), "behavior": "b" * 200}
        try:
            one.post("/events", user_id="ann", events=[event])
            statuses.append(200)
        except HTTPError as error:
            statuses.append(error.code)

    with process(runs / "markov", "--events", str(path)) as one:
        send(one)
        size = path.with_name("e-wal").stat().st_size + 20_000
        resource.prlimit(one.popen.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        while statuses[-1] == 200:
            send(one)
        send(one)
        assert one.post("/recommend", history=["3"], k=2)["items"]
        resource.prlimit(one.popen.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        send(one)
        assert set(statuses) == {200, 503} and statuses[-1] == 200 and len(statuses) > 4
        one.popen.kill()
    with sqlite3.connect(path) as connection:
        stored = [int(row[0]) for row in connection.execute("SELECT event_id FROM events ORDER BY number")]
    connection.close()
    assert stored == [n for n, status in enumerate(statuses, 1) if status == 200]


def test_what_was_taken_is_answered_before_it_ends(runs: Path, tmp_path: Path) -> None:
    with process(runs / "markov", "--events", str(tmp_path / "e"), "--wait", "900") as one:
        with ThreadPoolExecutor(3) as pool:
            answers = [pool.submit(one.post, "/recommend", history=[str(n)], k=1) for n in range(3)]
            while "llmrec_queue 3.0" not in one.get("/metrics"):
                assert not answers[0].done()
            assert one.end(signal.SIGINT) == 0
            assert [len(answer.result()["items"]) for answer in answers] == [1, 1, 1]
        assert one.popen.stderr is not None
        assert "Traceback" not in one.popen.stderr.read()


def test_what_cannot_be_served_is_one_line(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*words: str) -> str:
        assert command(["serve", *words]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        return lines[0]

    run = str(runs / "markov")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"port {port} of 127.0.0.1 is in use; choose another with --port" in refused(run, "--port", port)
    assert "there is no run at" in refused(str(tmp_path / "nothing"), "--port", "0")
    assert "set LLMREC_API_KEY" in refused(run, "--host", "0.0.0.0")
    assert "choose auto, llm or template" in refused(run, "--port", "0", "--backend", "http://localhost/v1")
    monkeypatch.setenv("LLMREC_API_KEY", "short")
    assert "has 5 characters; choose at least 16" in refused(run)
    monkeypatch.delenv("LLMREC_API_KEY")
    damaged = tmp_path / "damaged"
    shutil.copytree(runs / "markov", damaged)
    (damaged / "items.parquet").write_bytes(b"no table")
    assert "is damaged" in refused(str(damaged), "--port", "0")
    manifest = damaged / "manifest.json"
    values = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps(values | {"format": 999}), encoding="utf-8")
    assert "was written in format 999: install" in refused(str(damaged), "--port", "0")
    events = tmp_path / "other.sqlite"
    store = EventStore(events, data="of another run")
    store.add("ann", [{"item_id": "3"}]).result()
    store.close()
    assert "taken for a run of other data" in refused(run, "--port", "0", "--events", str(events))
