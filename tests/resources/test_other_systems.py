"""What Windows refuses and Linux does not: some modules, flushing what is only read, renaming onto a folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from llmrec.jobs.folder import whole_file
from llmrec.resources.cache import appearing

fcntl = pytest.importorskip("fcntl", reason="Windows refuses it by itself")

# Modules that only POSIX has.
LACKING = ("fcntl", "grp", "pwd", "resource", "termios")


@pytest.fixture
def _as_on_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    fsync, rename = os.fsync, Path.rename

    def flush(handle: int) -> None:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        fsync(handle)

    def renamed(path: Path, target: Any) -> Path:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "File exists", str(target))
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "rename", renamed)


@pytest.mark.usefixtures("_as_on_windows")
def test_a_folder_appears_and_is_replaced(tmp_path: Path) -> None:
    for text in ("first", "second"):
        with appearing(tmp_path / "run", replace=True) as temporary:
            (temporary / "file").write_text(text, encoding="utf-8")
        assert (tmp_path / "run" / "file").read_text(encoding="utf-8") == text
        assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.usefixtures("_as_on_windows")
def test_a_file_of_a_job_is_written(tmp_path: Path) -> None:
    with whole_file(tmp_path / "part") as temporary:
        temporary.write_text("whole", encoding="utf-8")
    assert (tmp_path / "part").read_text(encoding="utf-8") == "whole"


def test_a_model_is_fitted_saved_and_loaded_without_them(tmp_path: Path) -> None:
    words = f"""
        import sys
        import psutil, subprocess  # which use some of them here

        sys.modules.update(dict.fromkeys({LACKING!r}))  # None: importing one fails
        import llmrec
        from llmrec.data import toy_films

        llmrec.models.MarkovRecommender().fit(toy_films()).save("run")
        print(llmrec.load("run").recommend([["3"]], 1)["item_id"][0])
    """
    child = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(words)]
    done = subprocess.run(child, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("4\n", 0), done.stderr
