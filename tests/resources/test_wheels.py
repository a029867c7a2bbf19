"""Wheels are fetched once, checked and unpacked."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from llmrec.errors import EnvironmentFault
from llmrec.resources.cache import cache_dir, sha256_of
from llmrec.resources.wheels import WHEELS, Wheel, cached_wheel, unpack_wheel


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """A package index with one wheel, "toy". Returns the commands that pip was called with."""
    archive = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("toy/data/one.txt", "1")
        made.writestr("toy/data/deep/two.txt", "2")
        made.writestr("toy/code.py", "raise SystemExit")
    monkeypatch.setitem(WHEELS, "toy", Wheel("toy==1.0", sha256_of(archive), "toy/data/", "MIT"))
    monkeypatch.setenv("LLMREC_CACHE", str(tmp_path / "cache"))
    commands: list[list[str]] = []

    def served(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        target = Path(command[command.index("--dest") + 1])
        (target / archive.name).write_bytes(archive.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", served)
    return commands


def test_a_wheel_is_fetched_once(pip: list[list[str]], tmp_path: Path) -> None:
    assert cached_wheel("toy") is None
    folder = unpack_wheel("toy")
    assert folder == tmp_path / "cache" / "wheels" / "toy" == cached_wheel("toy")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == ["deep/two.txt", "one.txt"]
    assert unpack_wheel("toy") == folder
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
