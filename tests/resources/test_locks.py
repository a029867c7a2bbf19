"""One writer for a folder at a time; what dead ones left is taken over and removed."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmrec.errors import EnvironmentFault, WriteConflict
from llmrec.resources.cache import appearing
from llmrec.resources.locks import exclusive, restored

HOLDER = """
import sys
from pathlib import Path
from llmrec.resources.cache import appearing
with appearing(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("")
    print("has it", flush=True)
    sys.stdin.read()
    (folder / "whole").write_text("")
"""


@contextmanager
def writer(target: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of writing ``target``; it finishes as its input is closed."""
    command = [sys.executable, "-c", HOLDER, str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        try:
            yield process
        finally:
            process.kill()


def test_the_second_writer_is_refused_before_it_works(tmp_path: Path) -> None:
    target = tmp_path / "data"
    with writer(target) as first:
        with (
            pytest.raises(WriteConflict, match=rf"data is being written by process {first.pid}; wait"),
            appearing(target),
        ):
            raise AssertionError
        first.communicate()
        assert first.returncode == 0
    assert {path.name for path in target.iterdir()} == {"half", "whole"}
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_who_waits_comes_after(tmp_path: Path) -> None:
    target = tmp_path / "data"
    with writer(target) as first:
        assert first.stdin is not None
        threading.Timer(0.3, first.stdin.close).start()
        with exclusive(target, wait=True):
            assert (target / "whole").is_file()


def test_a_killed_writer_s_lock_and_remains_are_taken_over(tmp_path: Path) -> None:
    target = tmp_path / "data"
    with writer(target) as first:
        first.kill()
        first.wait()
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / ".tmp-data-2-abcdefgh").mkdir()  # of another target, "data-2"
    with appearing(target) as temporary:
        assert {path.name for path in tmp_path.iterdir()} == {".data.lock", ".tmp-data-2-abcdefgh", temporary.name}
    assert {path.name for path in tmp_path.iterdir()} == {"data", ".tmp-data-2-abcdefgh"}


def test_a_thread_may_enter_again_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused: list[str] = []

    def other() -> None:
        with pytest.raises(WriteConflict) as told, exclusive(tmp_path / "run"):
            pass
        refused.append(str(told.value))

    with exclusive(Path("run")), exclusive(tmp_path / "run"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(refused) == 1
    with exclusive(Path("run")):
        pass
    assert not list(tmp_path.iterdir())


def test_folders_made_for_a_lock_do_not_stay(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path / "a" / "b" / "run"):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())


def test_a_lock_that_is_no_lock_says_what_to_remove(tmp_path: Path) -> None:
    (tmp_path / ".run.lock").write_text("", encoding="utf-8")
    with (
        pytest.raises(WriteConflict, match=r"by another process.* remove .*\.run\.lock"),
        exclusive(tmp_path / "run"),
    ):
        pass


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EnvironmentFault, match="cannot write in"), exclusive(tmp_path / "file" / "run"):
        pass


def test_a_folder_that_a_killed_process_was_replacing_comes_back(tmp_path: Path) -> None:
    assert restored(tmp_path / "run") == tmp_path / "run"
    assert not list(tmp_path.iterdir())
    (tmp_path / ".old-run-abcdefgh" / "sub").mkdir(parents=True)
    (tmp_path / ".tmp-run-abcdefgh").mkdir()
    restored(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert (tmp_path / "run" / "sub").is_dir()
    (tmp_path / ".old-run-abcdefgh" / "older").mkdir(parents=True)  # killed a little later
    with exclusive(tmp_path / "run"):
        assert not (tmp_path / ".old-run-abcdefgh").exists()
    assert (tmp_path / "run" / "sub").is_dir()
