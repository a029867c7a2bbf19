"""One writer for a folder: a lock beside it that names its owner, and what killed writers left is removed."""

from __future__ import annotations

import glob
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import SoftFileLock, Timeout

from llmrec.errors import EnvironmentFault, WriteConflict

log = logging.getLogger(__name__)


@contextmanager
def exclusive(target: Path, *, wait: bool = False) -> Iterator[None]:
    """Let nobody else write the folder ``target`` during the block; a thread may enter it again.

    The lock is the sibling ``.NAME.lock``. It holds the owner's process id, and that of a dead process is taken
    over. Raises WriteConflict where another process or thread has it (``wait``: waits for it instead), and
    EnvironmentFault for a folder that cannot be written.
    """
    # One spelling of the path: whoever enters again must come to the same lock.
    path = target.parent.resolve() / f".{target.name}.lock"
    lock = SoftFileLock(path, is_singleton=True)
    created = _missing_parents(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout as error:
        owner = f"process {lock.pid}" if lock.pid else "another process"
        raise WriteConflict(
            f"{target} is being written by {owner}; wait for it or choose another folder (if no such process is "
            f"left on any machine, remove {path})"
        ) from error
    except OSError as error:
        raise EnvironmentFault(f"cannot write in {target.parent}: {error.strerror}") from error
    try:
        if lock.lock_counter == 1:
            _remove_remains(target)
        yield
    finally:
        lock.release()
        _remove_empty(created)


def _missing_parents(target: Path) -> list[Path]:
    """Return the folders above ``target`` that are not there, the deepest first."""
    missing = []
    for parent in target.parents:
        if parent.exists():
            break
        missing.append(parent)
    return missing


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders that were made for a lock and hold nothing."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def _remove_remains(target: Path) -> None:
    """Remove what killed writers of ``target`` left beside it: who holds the lock knows that none lives.

    A folder that was to be replaced is renamed back where ``target`` is missing.
    """
    for kind, path in list(_remains(target)):
        if kind == "old" and not os.path.lexists(target) and any(path.iterdir()):
            log.info("restored %s, which a killed process was replacing", target)
            path.rename(target)
            continue
        log.info("removed %s, which a killed process left", path)
        shutil.rmtree(path, ignore_errors=True)


def has_remains(target: Path) -> bool:
    """Whether killed writers of ``target`` left something beside it."""
    return any(_remains(target))


def _remains(target: Path) -> Iterator[tuple[str, Path]]:
    """Yield what writers leave when they are killed: tmp or old, and the folder."""
    pattern = re.compile(rf"\.(tmp|old)-{re.escape(target.name)}-[a-z0-9_]{{8}}")  # as tempfile.mkdtemp names them
    for path in target.parent.iterdir() if target.parent.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match is not None and path.is_dir() and not path.is_symlink():
            yield match[1], path


def restored(target: Path) -> Path:
    """Return a folder, renamed back first where a killed process was replacing it.

    Raises EnvironmentFault where it cannot be.
    """
    if not os.path.lexists(target) and any(target.parent.glob(f".old-{glob.escape(target.name)}-*")):
        with exclusive(target, wait=True):
            pass
    return target
