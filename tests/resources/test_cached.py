"""A folder of the cache is what was put there, or it is not used."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from llmrec.errors import EnvironmentFault
from llmrec.resources import cached
from llmrec.resources.cache import sha256_of
from llmrec.resources.cached import cached_folder, state_of


@pytest.fixture
def filled() -> list[Path]:
    """How often the folder was filled."""
    return []


@pytest.fixture
def folder(tmp_path: Path, filled: list[Path]) -> Path:
    return use(tmp_path / "model", filled)


def use(path: Path, filled: list[Path], source: str = "a") -> Path:
    def fill(folder: Path) -> None:
        filled.append(folder)
        (folder / "deep").mkdir()
        (folder / "weights").write_bytes(bytes(range(100)))
        (folder / "deep" / "config").write_bytes(b"{}")

    return cached_folder(path, fill, source=source)


def test_it_is_filled_once(folder: Path, filled: list[Path]) -> None:
    assert use(folder, filled) == folder
    assert len(filled) == 1
    assert state_of(folder) == ("whole", "")
    assert sorted(path.name for path in folder.parent.iterdir()) == ["model", "model.files.json"]


def zeroed(folder: Path) -> None:
    (folder / "weights").write_bytes(bytes(100))


def zeroed_at_the_old_time(folder: Path) -> None:
    times = (folder / "weights").stat()
    zeroed(folder)
    os.utime(folder / "weights", ns=(times.st_atime_ns, times.st_mtime_ns))


def cut(folder: Path) -> None:
    (folder / "weights").write_bytes(bytes(range(99)))


def gone(folder: Path) -> None:
    (folder / "deep" / "config").unlink()


def added(folder: Path) -> None:
    (folder / "modeling.py").write_bytes(b"print()")


@pytest.mark.parametrize("change", [zeroed, cut, gone, added])
def test_what_changed_is_not_used(folder: Path, filled: list[Path], change: object) -> None:
    assert callable(change)
    change(folder)
    with pytest.raises(
        EnvironmentFault, match=rf"is not what was put into the cache; remove {folder}, and it is made"
    ):
        use(folder, filled)
    assert state_of(folder)[0] == "changed"
    shutil.rmtree(folder)
    assert use(folder, filled) == folder
    assert len(filled) == 2


def test_contents_are_compared_by_the_doctor(folder: Path) -> None:
    """Whoever sets the time of a file back is seen there; each use compares sizes and times only."""
    zeroed_at_the_old_time(folder)
    assert state_of(folder) == ("changed", "weights")


def test_a_copied_cache_is_hashed_once(
    folder: Path, filled: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    shutil.copy(tmp_path / "model.files.json", tmp_path / "copy.files.json")
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
    hashed: list[Path] = []

    def noted(path: Path) -> str:
        hashed.append(path)
        return sha256_of(path)

    monkeypatch.setattr(cached, "sha256_of", noted)
    assert use(copy, filled) == copy
    assert len(hashed) == 2
    assert use(copy, filled) == copy
    assert len(hashed) == 2
    assert len(filled) == 1


@pytest.mark.parametrize("record", [None, "", "{}", '{"source": "a", "files": {"weights": 1}}'])
def test_without_a_record_it_is_made_anew(folder: Path, filled: list[Path], record: str | None) -> None:
    path = folder.with_name("model.files.json")
    path.unlink()
    if record is not None:
        path.write_text(record, encoding="utf-8")
    zeroed(folder)
    assert state_of(folder) == ("unrecorded", "")
    use(folder, filled)
    assert len(filled) == 2
    assert (folder / "weights").read_bytes() == bytes(range(100))


def test_of_another_source_it_is_made_anew(folder: Path, filled: list[Path]) -> None:
    use(folder, filled, "b")
    assert len(filled) == 2


def test_a_failure_leaves_what_was_there(folder: Path) -> None:
    folder.with_name("model.files.json").unlink()

    def fill(_: Path) -> None:
        raise EnvironmentFault("no network")

    with pytest.raises(EnvironmentFault, match="no network"):
        cached_folder(folder, fill, source="a")
    assert (folder / "weights").is_file()
    assert state_of(folder.parent / "nothing") == ("absent", "")
