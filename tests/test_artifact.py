"""A run directory is whole or it is not there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from llmrec import artifact
from llmrec.errors import ArtifactError, EnvironmentFault


def fill(folder: Path) -> None:
    (folder / "a.txt").write_text("one", encoding="utf-8")
    (folder / "deep").mkdir()
    (folder / "deep" / "b.txt").write_text("two", encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    artifact.write(tmp_path / "runs" / "first", kind="test", metadata={"seed": 3}, fill=fill)
    return tmp_path / "runs" / "first"


def test_what_is_written_is_read(run: Path) -> None:
    manifest = artifact.read(run)
    assert manifest.kind == "test"
    assert manifest.metadata["seed"] == 3
    assert sorted(manifest.files) == ["a.txt", "deep/b.txt"]
    assert all(len(digest) == 64 for digest in manifest.files.values())
    assert {"llmrec", "torch"} <= set(manifest.metadata["versions"])
    assert "cpus" in manifest.metadata["machine"]
    assert [path.name for path in run.parent.iterdir()] == ["first"]


def test_nothing_is_written_over(run: Path) -> None:
    with pytest.raises(ArtifactError, match="exists already"):
        artifact.write(run, kind="test", metadata={}, fill=fill)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), ArtifactError("no")])
def test_a_failure_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def broken(folder: Path) -> None:
        fill(folder)
        raise error

    with pytest.raises(type(error)):
        artifact.write(tmp_path / "run", kind="test", metadata={}, fill=broken)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_the_environment_s_fault(tmp_path: Path, error: Exception) -> None:
    def full(_: Path) -> None:
        raise error

    with pytest.raises(EnvironmentFault, match=r"writing .*run failed: [Nn]o space left .* free some space"):
        artifact.write(tmp_path / "run", kind="test", metadata={}, fill=full)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EnvironmentFault, match="cannot write in"):
        artifact.write(tmp_path / "file" / "run", kind="test", metadata={}, fill=fill)


def test_what_is_no_run_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="there is no run at"):
        artifact.read(tmp_path / "nowhere")
    (run / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match=r"has no manifest.json: an interrupted or foreign directory"):
        artifact.read(run)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"format": 1}', '{"format": "x", "kind": "a", "files": {}}']
)
def test_a_damaged_manifest_is_refused(run: Path, text: str) -> None:
    (run / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"manifest\.json is damaged"):
        artifact.read(run)


def test_a_damaged_file_is_refused_unless_not_asked(run: Path) -> None:
    (run / "deep" / "b.txt").write_text("tw0", encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"b.txt is damaged \(its sha256 changed\)"):
        artifact.read(run)
    assert artifact.read(run, verify=False).kind == "test"
    (run / "deep" / "b.txt").unlink()
    with pytest.raises(ArtifactError, match=r"b.txt is missing"):
        artifact.read(run)


def test_a_newer_format_names_the_version_to_install(run: Path) -> None:
    path = run / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest |= {"format": artifact.FORMAT + 1, "versions": {"llmrec": "9.1"}}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ArtifactError, match=r"install llmrec==9\.1"):
        artifact.read(run)


@pytest.mark.parametrize(("umask", "file", "folder"), [(0o022, 0o644, 0o755), (0o027, 0o640, 0o750)])
def test_files_follow_the_umask(tmp_path: Path, umask: int, file: int, folder: int) -> None:
    def private(path: Path) -> None:
        fill(path)
        (path / "deep" / "b.txt").chmod(0o600)  # as safetensors leaves its files

    before = os.umask(umask)
    try:
        artifact.write(tmp_path / "open", kind="test", metadata={}, fill=private)
    finally:
        os.umask(before)
    made = [tmp_path / "open", *(tmp_path / "open").rglob("*")]
    assert {path.name: path.stat().st_mode & 0o777 for path in made} == {
        path.name: folder if path.is_dir() else file for path in made
    }
