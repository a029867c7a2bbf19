"""Files and folders are written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmrec.errors import WriteConflict
from llmrec.resources.cache import appearing, cache_dir, named, no_space, replace_file


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), appearing(tmp_path / "new") as temporary:
        (temporary / "half").write_text("", encoding="utf-8")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with appearing(tmp_path / "a" / "new") as temporary:
        (temporary / "whole").write_text("1", encoding="utf-8")
        assert not (tmp_path / "a" / "new").exists()
    assert (tmp_path / "a" / "new" / "whole").read_text(encoding="utf-8") == "1"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["new"]


@pytest.mark.parametrize("name", ["first", ""])
def test_a_folder_that_appeared_meanwhile_is_left_and_said(tmp_path: Path, name: str) -> None:
    """An empty one, too, which a rename would replace without a word."""
    meanwhile = pytest.raises(WriteConflict, match="new has been written by another process in the meantime")
    with meanwhile, appearing(tmp_path / "new") as temporary:
        (tmp_path / "new" / name).mkdir(parents=True)
        (temporary / "second").write_text("", encoding="utf-8")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ([name] if name else [])
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_what_is_there_may_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "new" / "old").mkdir(parents=True)
    with appearing(tmp_path / "new", replace=True) as temporary:
        (temporary / "newer").write_text("", encoding="utf-8")
        assert (tmp_path / "new" / "old").is_dir()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["newer"]


def test_old_temporary_files_are_removed(tmp_path: Path) -> None:
    remains, fresh = tmp_path / ".tmp-report.json-abc", tmp_path / ".tmp-report.json-def"
    for path in (remains, fresh):
        path.write_text("", encoding="utf-8")
    os.utime(remains, (0, 0))
    replace_file(tmp_path / "report.json", "{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == [fresh.name, "report.json"]


@pytest.mark.parametrize("spelled", [".", "", "..", "sub/.."])
def test_a_path_without_a_name_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelled: str) -> None:
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub" if spelled == ".." else tmp_path)
    assert named(Path(spelled)) == tmp_path
    assert named(Path("run")) == Path("run")


def test_a_full_disk_is_distinguished_from_other_faults(tmp_path: Path) -> None:
    assert no_space(OSError(28, "No space left on device"), tmp_path)
    assert no_space(RuntimeError("I/O error: File too large (os error 27)"), tmp_path)
    assert not no_space(RuntimeError("shapes do not fit"), tmp_path)
    assert not no_space(RuntimeError("shapes do not fit"), tmp_path / "removed by another process")


def test_the_cache_folder_can_be_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LLMREC_CACHE", raising=False)
    assert cache_dir() == tmp_path / ".cache" / "llmrec"
    monkeypatch.setenv("LLMREC_CACHE", "~/elsewhere")
    assert cache_dir() == tmp_path / "elsewhere"


def test_what_was_there_comes_back_where_a_replacement_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "new" / "old").mkdir(parents=True)
    monkeypatch.setattr("llmrec.resources.cache._rename", lambda temporary, target: 1 // 0)
    with pytest.raises(ZeroDivisionError), appearing(tmp_path / "new", replace=True):
        pass
    assert (tmp_path / "new" / "old").is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
