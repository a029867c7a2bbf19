"""What is done to an opened index is on the disk; nothing of it is lost, made twice, or left after compaction."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmrec.errors import ArtifactError, DataError, EnvironmentFault, WriteConflict
from llmrec.resources.cache import sha256_of
from llmrec.resources.journal import Journal
from llmrec.retrieval import ItemIndex, UserIndex
from llmrec.retrieval import growth as growth_module
from llmrec.retrieval.index_files import write_index
from llmrec.retrieval.searchers import FlatSearcher

DIM = 6


def vectors_of(n: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)


def saved(folder: Path, n: int = 40, kind: str = "flat") -> Path:
    ItemIndex.build(vectors_of(n), range(n), bias=vectors_of(n, 1)[:, 0], kind=kind).save(folder / "index")
    return folder / "index"


def changed(folder: Path) -> ItemIndex:
    index = ItemIndex.open(folder)
    index.add(vectors_of(3, 2), ["a", "b", "c"], bias=[1, 2, 3])
    index.remove([0, "b", 39])
    index.update(vectors_of(2, 3), ["a", 20], bias=[4, 5])
    return index


def assert_same(one: ItemIndex, other: ItemIndex) -> None:
    assert one.ids == other.ids
    np.testing.assert_array_equal(one.vectors, other.vectors)
    np.testing.assert_array_equal(one.biases, other.biases)
    np.testing.assert_array_equal(one.search(vectors_of(5, 4), 10).ids, other.search(vectors_of(5, 4), 10).ids)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["flat", "hnsw", "ivf-flat"])
def test_changes_are_there_when_it_is_opened_again(kind: str, tmp_path: Path) -> None:
    folder = saved(tmp_path, kind=kind)
    index = changed(folder)
    assert len(index) == 40
    assert names_in(tmp_path) == ["index", "index.changes"]
    again = ItemIndex.open(folder)
    assert_same(again, index)
    again.add(vectors_of(1, 5), ["d"], bias=[0])
    again.save(tmp_path / "copy")
    assert names_in(tmp_path) == ["copy", "index", "index.changes"]
    copy = ItemIndex.open(tmp_path / "copy")
    assert_same(copy, again)
    assert_same(ItemIndex.open(folder), again)
    assert len(copy.searcher.rows) == 41
    assert copy.facts.n == 41
    assert copy.facts.kind == kind


def test_an_index_in_memory_writes_nothing(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    ItemIndex.open(folder).copy().remove([1])
    ItemIndex.build(np.eye(3), ["a", "b", "c"]).remove(["a"])
    assert names_in(tmp_path) == ["index"]
    assert len(ItemIndex.open(folder)) == 40


def test_a_bad_change_is_not_written(tmp_path: Path) -> None:
    index = changed(saved(tmp_path))
    content = (tmp_path / "index.changes").read_bytes()
    with pytest.raises(DataError, match="'zz' is not in this index"):
        index.remove(["c", "zz"])
    assert (tmp_path / "index.changes").read_bytes() == content


def test_compaction_leaves_nothing_of_what_was_removed(tmp_path: Path) -> None:
    users = UserIndex.build(vectors_of(40), [f"user-{n}" for n in range(40)])
    users.save(tmp_path / "run.users")
    index = UserIndex.open(tmp_path / "run.users")
    index.add(vectors_of(2, 5), ["ann", "ben"])
    secrets = [b"user-7\0", b'user-7"', b"ann", vectors_of(40)[7].tobytes(), vectors_of(2, 5)[0].tobytes()]
    index.remove(["user-7", "ann"])
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert any(secrets[3] in content for content in files)
    assert any(secrets[4] in content for content in files)
    index.compact()
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [secret for secret in secrets for content in files if secret in content]
    assert names_in(tmp_path) == ["run.users", "run.users.changes"]
    assert isinstance(index.searcher.rows, np.memmap)
    index.remove(["ben"])
    again = UserIndex.open(tmp_path / "run.users")
    assert again.ids == index.ids == [name for name in users.ids if name != "user-7"]
    written = (tmp_path / "run.users" / "manifest.json").read_bytes()
    UserIndex.open(tmp_path / "run.users").compact()
    assert (tmp_path / "run.users" / "manifest.json").read_bytes() != written
    written = (tmp_path / "run.users" / "manifest.json").read_bytes()
    UserIndex.open(tmp_path / "run.users").compact()  # nothing to do
    assert (tmp_path / "run.users" / "manifest.json").read_bytes() == written


class Killed(BaseException):
    """What ends a compaction in the middle."""


def raising(call: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
    def killed(*args: Any, **options: Any) -> Any:
        if not before:
            call(*args, **options)
        raise Killed

    return killed


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_a_compaction_that_is_killed_about_its_writing_changes_nothing(
    before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the folder is there, and before the journal says so: its changes are not made twice."""
    folder = saved(tmp_path)
    index, other = changed(folder), ItemIndex.open(folder)
    state = index.copy()
    with monkeypatch.context() as patch:
        patch.setattr("llmrec.retrieval.index_folder.write_index", raising(write_index, before=before))
        with pytest.raises(Killed):
            index.compact()
    again = ItemIndex.open(folder)
    assert_same(again, state)
    assert again.facts.n_changes == (0 if before else 3)
    again.remove(["c"])
    if not before:
        with pytest.raises((WriteConflict, ArtifactError), match="another"):
            other.remove(["c"])
    state.remove(["c"])
    assert_same(ItemIndex.open(folder), state)


def test_a_replacement_that_is_killed_between_its_renames_is_undone(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    index = changed(folder)
    folder.rename(tmp_path / ".old-index-abcd1234")
    shutil.copytree(tmp_path / ".old-index-abcd1234", tmp_path / ".tmp-index-abcd1234")
    assert_same(ItemIndex.open(folder), index)
    assert names_in(tmp_path) == ["index", "index.changes"]


def test_two_processes_do_not_overlook_each_other(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    one, other = ItemIndex.open(folder), ItemIndex.open(folder)
    one.remove([1])
    with pytest.raises(WriteConflict, match=r"the index was changed by another process .*; open the index again"):
        other.remove([2])
    assert len(other) == 40
    with pytest.raises(WriteConflict, match="open the index again"):
        other.add(vectors_of(1), ["x"], bias=[0])
    other = ItemIndex.open(folder)
    one.compact()
    with pytest.raises(ArtifactError, match=r"index\.changes holds changes of another index"):
        other.remove([2])
    assert len(other) == 39
    assert len(ItemIndex.open(folder)) == 39


def test_who_only_opens_it_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved(tmp_path)
    index = changed(folder)
    content = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(growth_module, "FEW_REMOVED", 0)
    monkeypatch.setattr(FlatSearcher, "most_removed", 0)
    again = ItemIndex.open(folder)
    assert len(again.searcher.rows) == 40
    assert isinstance(again.searcher.rows, np.ndarray)
    assert content == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    index.remove(["c"])  # whoever changes it writes it anew
    assert content != {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert ItemIndex.open(folder).facts.n_changes == 4


def test_a_folder_that_lacks_much_is_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that to open it is never to index a large part of it; less is indexed in memory."""
    monkeypatch.setattr("llmrec.retrieval.searchers.ROWS_PER_EFFORT", 0)
    folder = saved(tmp_path, kind="hnsw")
    index = ItemIndex.open(folder)
    for number in range(4):
        index.add(vectors_of(1, number), [f"new{number}"], bias=[0])
        assert len(index.searcher.rows) == 41 + number
    assert ItemIndex.open(folder).facts.n_changes == 0
    index.add(vectors_of(1, 9), ["last"], bias=[0])
    again = ItemIndex.open(folder)
    assert again.facts.n_changes == 5
    assert_same(again, index)


def test_a_compaction_that_fails_is_said_and_the_change_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = saved(tmp_path)
    index = ItemIndex.open(folder)
    monkeypatch.setattr(growth_module, "FEW_REMOVED", 0)
    monkeypatch.setattr(FlatSearcher, "most_removed", 0)

    def full(*args: Any, **options: Any) -> None:
        raise EnvironmentFault("the disk is full")

    monkeypatch.setattr("llmrec.retrieval.index_folder.write_index", full)
    index.remove([3])
    assert "not compacted: the disk is full" in caplog.text
    assert len(index) == 39
    assert "3" not in ItemIndex.open(folder).ids
    with pytest.raises(EnvironmentFault, match="the disk is full"):
        index.compact()


def test_journals_that_do_not_fit(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    changed(folder)
    journal = tmp_path / "index.changes"
    content = journal.read_bytes()
    for statement, message in (
        ("PRAGMA user_version = 9", "was written in format 9: install a newer llmrec"),
        (
            "UPDATE changes SET content = x'00' WHERE number = 1",
            "index.changes is damaged .*restore it, or remove it",
        ),
        ("UPDATE journal SET owner = 'x'", "holds changes of another index; put it beside that one, or remove it"),
    ):
        journal.write_bytes(content)
        with closing(sqlite3.connect(journal, isolation_level=None)) as connection:
            connection.execute(statement)
        with pytest.raises(ArtifactError, match=message) as refusal:
            ItemIndex.open(folder)
        assert "\n" not in str(refusal.value)
    shutil.rmtree(folder)
    with pytest.raises(
        ArtifactError, match=r"index.changes holds changes of an index that was at .*; remove it, or"
    ):
        saved(tmp_path)
    journal.unlink()
    assert len(ItemIndex.open(saved(tmp_path))) == 40
    (tmp_path / "other").mkdir()
    other = saved(tmp_path / "other", 41)
    journal.write_bytes(content)
    shutil.copy(journal, tmp_path / "other" / "index.changes")
    with pytest.raises(ArtifactError, match="holds changes of another index"):
        ItemIndex.open(other)


RECORDS: dict[str, tuple[dict[str, Any], bytes]] = {
    "added twice": ({"action": "add", "ids": ["7"], "width": 7}, bytes(28)),
    "unknown": ({"action": "remove", "ids": ["x"], "width": 0}, b""),
    "width": ({"action": "add", "ids": ["x"], "width": 3}, bytes(12)),
    "short": ({"action": "add", "ids": ["x"], "width": 7}, bytes(27)),
    "NaN": ({"action": "add", "ids": ["x"], "width": 7}, np.full(7, np.nan, dtype="<f4").tobytes()),
    "no ids": ({"action": "add", "ids": [], "width": -1}, b""),
    "number": ({"action": "remove", "ids": [None], "width": 0}, b""),
    "list": ({"action": ["add"], "ids": ["x"], "width": 7}, bytes(28)),
    "other": ({"user": "x"}, b""),
}


@pytest.mark.parametrize("name", RECORDS)
def test_changes_that_nobody_could_have_made(name: str, tmp_path: Path) -> None:
    folder = saved(tmp_path)
    owner = sha256_of(folder / "manifest.json")
    Journal(tmp_path / "index.changes", owner=owner, label="index").append(*RECORDS[name])
    with pytest.raises(
        ArtifactError, match=r"index.changes is damaged \(change 1: .*\); restore it, or remove it"
    ):
        ItemIndex.open(folder)


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved(tmp_path)
    index = changed(folder)
    state = index.copy()

    def full(*args: Any, **options: Any) -> int:
        raise EnvironmentFault("the disk is full")

    monkeypatch.setattr(Journal, "append", full)
    with pytest.raises(EnvironmentFault, match="full"):
        index.remove([5])
    assert_same(index, state)
