"""Files and folders are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmrec.resources.cache import appearing, cache_dir, no_space


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


def test_the_second_writer_leaves_the_first_folder(tmp_path: Path) -> None:
    with appearing(tmp_path / "new") as temporary:
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "first").write_text("", encoding="utf-8")
        (temporary / "second").write_text("", encoding="utf-8")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["first"]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_full_disk_is_distinguished_from_other_faults(tmp_path: Path) -> None:
    assert no_space(OSError(28, "No space left on device"), tmp_path)
    assert no_space(RuntimeError("I/O error: File too large (os error 27)"), tmp_path)
    assert not no_space(RuntimeError("shapes do not fit"), tmp_path)


def test_the_cache_folder_can_be_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LLMREC_CACHE", raising=False)
    assert cache_dir() == tmp_path / ".cache" / "llmrec"
    monkeypatch.setenv("LLMREC_CACHE", "~/elsewhere")
    assert cache_dir() == tmp_path / "elsewhere"
