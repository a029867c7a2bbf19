"""Acknowledged events are on the disk, once; a file of something else, or a full disk, is refused."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmrec.errors import ArtifactError, DataError, EnvironmentFault, WriteConflict
from llmrec.serve.events import EventStore, Stored


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    one = EventStore(tmp_path / "events.sqlite", data="abc")
    yield one
    one.close()


def items(store: EventStore, user: str) -> list[str]:
    return [event["item_id"] for event in store.of_user(user)]


def test_events_come_back_in_order_and_once(store: EventStore) -> None:
    assert store.add("ann", [{"item_id": "1", "event_id": "a"}, {"item_id": "2"}]).result() == Stored(2, 0)
    assert store.add("ann", [{"item_id": "1", "event_id": "a"}, {"item_id": "3"}]).result() == Stored(1, 1)
    assert store.add("bob", [{"item_id": "1", "event_id": "a", "rating": 4.5}]).result() == Stored(1, 0)
    assert items(store, "ann") == ["1", "2", "3"]
    assert store.of_user("bob") == [{"item_id": "1", "rating": 4.5}]
    assert [event["item_id"] for event in store.of_user("ann", most=2)] == ["2", "3"]
    assert store.of_user("nobody") == []


def test_many_writers_lose_nothing_and_are_there_after_opening_again(tmp_path: Path) -> None:
    store = EventStore(tmp_path / "events.sqlite", data="abc")

    def write(user: str) -> None:
        for future in [store.add(user, [{"item_id": str(n), "event_id": str(n)}]) for n in range(40)]:
            assert future.result() == Stored(1, 0)

    threads = [threading.Thread(target=write, args=(str(n),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    again = EventStore(tmp_path / "events.sqlite", data="abc")
    assert all(items(again, str(user)) == [str(n) for n in range(40)] for user in range(4))
    again.close()


def test_a_run_of_other_data_is_followed_when_told_how(tmp_path: Path) -> None:
    path = tmp_path / "events.sqlite"
    first = EventStore(path, data="empty")
    first.follow("abc", "refuse")  # it holds nothing
    first.add("ann", [{"item_id": "1"}]).result()
    with pytest.raises(DataError, match=r"of other data \(abc, this run's is xyz\)"):
        first.follow("xyz", "refuse")
    first.follow("xyz", "replay")
    assert items(first, "ann") == ["1"]
    first.follow("new", "included")
    assert items(first, "ann") == []
    first.add("ann", [{"item_id": "2"}]).result()
    first.close()
    with pytest.raises(DataError, match="of other data"):
        EventStore(path, data="abc")
    last = EventStore(path, data="new")
    assert items(last, "ann") == ["2"]
    last.close()


def test_a_full_disk_takes_nothing_and_says_so(store: EventStore) -> None:
    store.add("ann", [{"item_id": "1"}]).result()
    pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
    store._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(EnvironmentFault, match="not taken: database or disk is full"):
        store.add("ann", [{"item_id": "x" * 500} for _ in range(200)]).result()
    assert items(store, "ann") == ["1"]
    store._writer.execute("PRAGMA max_page_count = 100000")
    assert store.add("ann", [{"item_id": "2"}]).result() == Stored(1, 0)
    assert items(store, "ann") == ["1", "2"]


def test_what_is_cancelled_before_it_is_written_is_not_written(store: EventStore) -> None:
    with store._writing:  # the writer waits
        first = store.add("ann", [{"item_id": "1"}])
        while not first.running():
            pass
        second = store.add("ann", [{"item_id": "2"}])
        assert second.cancel()
        third = store.add("ann", [{"item_id": "3"}])
    assert (first.result(), third.result()) == (Stored(1, 0), Stored(1, 0))
    assert items(store, "ann") == ["1", "3"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("user_id,item_id\n" * 200, encoding="utf-8")
    with pytest.raises(ArtifactError, match="holds no events of llmrec"):
        EventStore(tmp_path / "text", data="abc")
    (tmp_path / "short").write_text("notes", encoding="utf-8")  # SQLite would fill it
    with pytest.raises(ArtifactError, match="it is no database"):
        EventStore(tmp_path / "short", data="abc")
    assert (tmp_path / "short").read_text(encoding="utf-8") == "notes"
    (tmp_path / "empty").touch()
    EventStore(tmp_path / "empty", data="abc").close()
    with sqlite3.connect(tmp_path / "other") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(ArtifactError, match="another program's database"):
        EventStore(tmp_path / "other", data="abc")
    EventStore(tmp_path / "newer", data="abc").close()
    connection = sqlite3.connect(tmp_path / "newer")
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(ArtifactError, match="of format 7, of a newer llmrec"):
        EventStore(tmp_path / "newer", data="abc")
    store = EventStore(tmp_path / "served", data="abc")
    with pytest.raises(WriteConflict, match="is served by another process"):
        EventStore(tmp_path / "served", data="abc")
    store.close()
    EventStore(tmp_path / "served", data="abc").close()
    with pytest.raises(EnvironmentFault, match="cannot write in"):
        EventStore(tmp_path / "text" / "events", data="abc")
    (tmp_path / "folder").mkdir()
    with pytest.raises(EnvironmentFault, match="unable to open"):
        EventStore(tmp_path / "folder", data="abc")
