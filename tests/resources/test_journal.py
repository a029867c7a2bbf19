"""Changes on the disk: nothing written is lost or half there, and damage is said in one line."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llmrec.errors import ArtifactError, EnvironmentFault, LlmrecError, WriteConflict
from llmrec.resources import journal as module
from llmrec.resources.journal import Change, Journal


def journal_in(folder: Path, owner: str = "a") -> Journal:
    return Journal(folder / "index.changes", owner=owner, label="index")


def filled(folder: Path, n: int = 3) -> Journal:
    journal = journal_in(folder)
    journal.extend(({"n": number, "title": "Zoë"}, b"\0" * number) for number in range(n))
    return journal


def test_changes_come_back_in_their_order(tmp_path: Path) -> None:
    assert journal_in(tmp_path).replay() == []
    assert list(tmp_path.iterdir()) == []
    assert journal_in(tmp_path).append({"add": ["x"]}, b"\x00\xff") == 1
    assert journal_in(tmp_path).extend([({"n": 2}, b""), ({"n": 3}, b"3")]) == 3
    assert journal_in(tmp_path).replay() == [
        Change(1, {"add": ["x"]}, b"\x00\xff"),
        Change(2, {"n": 2}, b""),
        Change(3, {"n": 3}, b"3"),
    ]
    assert [change.number for change in journal_in(tmp_path).replay(after=2)] == [3]
    assert [path.name for path in tmp_path.iterdir()] == ["index.changes"]


def test_a_change_that_cannot_be_written_leaves_none(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    for bad in (float("nan"), object()):
        with pytest.raises((TypeError, ValueError)):
            journal.extend([({"n": 4}, b""), ({"n": bad}, b"")])
    assert len(journal.replay()) == 3


def test_a_full_disk_takes_no_change(tmp_path: Path) -> None:
    journal, limits = filled(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32768, limits[1]))
    try:
        with pytest.raises(EnvironmentFault, match=r"index.changes cannot be read or written: .*free some space"):
            journal.append({"n": 4}, b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(journal.replay()) == 3
    assert journal.append({"n": 4}) == 4


def test_rewriting_leaves_no_byte_of_what_was_there(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    for number in range(20):
        journal.append({"user": f"secret-{number}"}, b"vector-of-secret" * (50 + 100 * number))
    assert b"secret" in journal.path.read_bytes()
    assert journal.rewrite([({"user": "public"}, b"1")], after=20) == 21
    assert b"secret" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert journal.replay() == [Change(21, {"user": "public"}, b"1")]
    assert journal.rewrite([]) == 21
    assert journal.append({"n": 1}) == 22
    assert [change.number for change in journal.replay()] == [22]


def test_two_writers_do_not_overlook_each_other(tmp_path: Path) -> None:
    one, other = journal_in(tmp_path), journal_in(tmp_path)
    assert one.append({"n": 1}, after=0) == 1
    with pytest.raises(WriteConflict, match=r"changed by another process .*open the index again"):
        other.append({"n": 2}, after=0)
    assert other.append({"n": 2}, after=1) == 2
    threads = [threading.Thread(target=lambda: [one.append({}), other.append({})]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [change.number for change in one.replay()] == list(range(1, 11))


def test_who_waits_too_long_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = filled(tmp_path)
    monkeypatch.setattr(module, "WAIT", 0.01)
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(WriteConflict, match="is being written by another process; try again"):
            journal.append({})
    assert journal.append({}) == 4


WRITER = """
import sys
from pathlib import Path
from llmrec.resources.journal import Journal
journal = Journal(Path(sys.argv[1]), owner="a", label="index")
for number in range(10_000):
    written = journal.extend([({"n": number, "part": part}, b"x" * 3000) for part in (0, 1)])
    print(written, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_said_was_written(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    command = [sys.executable, "-c", WRITER, str(journal.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [int(process.stdout.readline()) for _ in range(10)]
        process.kill()
        said += [int(line) for line in process.stdout.read().splitlines()]
    changes = journal.replay()
    assert said[-1] <= len(changes) <= said[-1] + 2
    assert len(changes) % 2 == 0  # a pair is there whole or not at all
    assert [change.record for change in changes[-2:]] == [
        {"n": len(changes) // 2 - 1, "part": part} for part in (0, 1)
    ]
    assert journal.append({}) == len(changes) + 1


def test_no_damage_goes_unseen(tmp_path: Path) -> None:
    """Whichever byte of a stored change is another one: an error, or exactly the changes that were written."""
    journal = filled(tmp_path, 40)
    content, changes = journal.path.read_bytes(), journal.replay()
    refused = 0
    for position in range(7, len(content), 97):
        journal.path.write_bytes(content[:position] + bytes([content[position] ^ 0x15]) + content[position + 1 :])
        try:
            assert journal.replay() == changes
        except ArtifactError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 30
    for length in (0, 10, 4096, len(content) - 4096, len(content) - 1):
        journal.path.write_bytes(content[:length])
        with pytest.raises(
            LlmrecError, match=r"index.changes is damaged \(.*\); restore it, or remove it to open"
        ):
            journal.replay()


SPOILED: dict[str, tuple[str, str]] = {
    "text changed": ("UPDATE changes SET record = '{}' WHERE number = 2", "change 2 is not what was written"),
    "bytes changed": ("UPDATE changes SET content = x'01' WHERE number = 2", "change 2 is not what was written"),
    "first gone": ("DELETE FROM changes WHERE number = 1", "change 1 is not what was written"),
    "last gone": ("DELETE FROM changes WHERE number = 3", "it holds 2 of 3 changes"),
    "no text": ("UPDATE changes SET record = x'ff' WHERE number = 3", "change 3"),
    "no bytes": ("UPDATE changes SET content = 5 WHERE number = 3", "change 3"),
    "no number": ("UPDATE journal SET last = 'x'", "other tables"),
    "no owner": ("DELETE FROM journal", "other tables"),
    "a trigger": ("CREATE TRIGGER t AFTER INSERT ON changes BEGIN DELETE FROM journal; END", "other tables"),
    "another column": ("ALTER TABLE changes ADD COLUMN more TEXT", "other tables"),
    "another program": ("PRAGMA application_id = 5", "no journal of llmrec"),
    "newer": ("PRAGMA user_version = 2", "was written in format 2: install a newer llmrec"),
    "another's": ("UPDATE journal SET owner = 'b'", "holds changes of another index; put it beside that one"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_file_that_is_no_such_journal(name: str, tmp_path: Path) -> None:
    statement, message = SPOILED[name]
    journal = filled(tmp_path)
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as connection:
        connection.execute(statement)
    with pytest.raises(ArtifactError, match=message) as refusal:
        journal.replay()
    assert "\n" not in str(refusal.value)


def test_deep_text_is_damage(tmp_path: Path) -> None:
    journal, deep = filled(tmp_path, 1), "[" * 100_000
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as connection:
        connection.execute("UPDATE changes SET record = ?", (deep,))
    with pytest.raises(ArtifactError, match="is damaged"):
        journal.replay()


def test_any_record_comes_back(tmp_path: Path) -> None:
    record: dict[str, Any] = {"ids": ["日", "a'b", ""], "none": None, "deep": {"x": [1.5, True]}}
    journal = journal_in(tmp_path)
    journal.append(record)
    assert journal.replay()[0].record == json.loads(json.dumps(record))
    journal.remove()
    assert journal.replay() == []


def test_an_error_that_is_held_locks_nothing(tmp_path: Path) -> None:
    journal = filled(tmp_path)
    with closing(sqlite3.connect(journal.path, isolation_level=None)) as connection:
        connection.execute("UPDATE changes SET record = '{}' WHERE number = 1")
    with pytest.raises(ArtifactError) as held:
        journal.replay()
    with closing(sqlite3.connect(journal.path, isolation_level=None, timeout=0)) as connection:
        connection.execute("DELETE FROM changes")
    assert held.value


def test_another_owner_takes_over(tmp_path: Path) -> None:
    """It is made of the changes: whoever is killed between the two leaves them made once, not twice."""
    journal = filled(tmp_path)
    with pytest.raises(ZeroDivisionError):
        journal.rewrite([], owner=lambda: str(1 // 0))
    assert len(journal.replay()) == 3
    heir = Journal(journal.path, owner="b", label="index", replaced=("a", 3))
    assert heir.replay() == []
    assert heir.last() == 3
    for made in (2, 5):  # a change that the killed one did not know of; a journal that is older than its heir
        earlier = Journal(journal.path, owner="b", label="index", replaced=("a", made))
        assert [change.number for change in earlier.replay()] == list(range(made + 1, 4))
    with pytest.raises(ArtifactError, match="of another index"):
        Journal(journal.path, owner="b", label="index", replaced=("c", 3)).replay()
    assert heir.append({"n": 4}, after=3) == 4
    assert [change.number for change in heir.replay()] == [4]
    assert heir.rewrite([({"n": 5}, b"")], after=4, owner=lambda: "c") == 5
    assert heir.owner == "c"
    assert journal_in(tmp_path, "c").replay() == [Change(5, {"n": 5}, b"")]
    with pytest.raises(ArtifactError, match="of another index"):
        journal.append({})
