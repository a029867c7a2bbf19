"""The cache of downloaded and converted files, and writing files and folders whole or not at all."""

from __future__ import annotations

import glob
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llmrec.errors import EnvironmentFault, LlmrecError, WriteConflict
from llmrec.resources.locks import exclusive

# With less left than this, a failed write is taken for a full disk: not every library says why it failed.
NEARLY_FULL = 2**20
LEFT_AFTER = 3600.0  # seconds after which a temporary file is a killed process's


def cache_dir() -> Path:
    """Return the cache folder: ``LLMREC_CACHE``, else ``~/.cache/llmrec``."""
    configured = os.environ.get("LLMREC_CACHE")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "llmrec"


def sha256_of(path: Path) -> str:
    """Hash a file without reading it into memory at once."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def named(path: Path) -> Path:
    """Return a path whose last part is a name: "." as the folder that it is."""
    return path if path.name not in {"", ".."} else path.resolve()


@contextmanager
def appearing(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary sibling folder that becomes ``target`` only if the block succeeds.

    ``replace``: what is there before is removed then, instead of refused.
    A crash leaves a ``.tmp-*`` sibling, which the next writer removes, never a half-filled ``target``; or the
    replaced folder as ``.old-*``, which the next writer, or ``restored``, renames back where nothing is. Raises
    EnvironmentFault on a full disk or a folder that cannot be written, WriteConflict where another process is
    writing ``target`` or has written it meanwhile.
    """
    with exclusive(target):
        try:
            temporary = Path(tempfile.mkdtemp(prefix=f".tmp-{target.name}-", dir=target.parent))
        except OSError as error:
            raise EnvironmentFault(f"cannot write in {target.parent}: {error.strerror}") from error
        try:
            yield temporary
            _apply_umask(temporary)
            _sync(temporary)
            if replace and target.is_dir() and not target.is_symlink():
                _replace(temporary, target)
            else:
                _rename(temporary, target)
        except LlmrecError:
            raise
        except Exception as error:
            fault = _write_failure(error, target)
            if fault is None:
                raise
            raise fault from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _replace(temporary: Path, target: Path) -> None:
    """Rename ``target`` away, and ``temporary`` to it: a crash leaves one of the two, whole."""
    old = Path(tempfile.mkdtemp(prefix=f".old-{target.name}-", dir=target.parent))
    old.rmdir()  # only its name is wanted: Windows renames no folder to another, even an empty one
    target.rename(old)
    try:
        _rename(temporary, target)
    except BaseException:
        if not os.path.lexists(target):
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _rename(temporary: Path, target: Path) -> None:
    """Rename a folder. Raises WriteConflict if something is there: a rename over an empty folder would succeed."""
    try:
        if os.path.lexists(target):
            raise FileExistsError
        temporary.rename(target)
    except OSError as error:
        if not os.path.lexists(target):
            raise
        raise WriteConflict(
            f"{target} has been written by another process in the meantime and is left as it is; this one's "
            "result is not saved: choose another folder"
        ) from error


def _write_failure(error: Exception, target: Path) -> EnvironmentFault | None:
    """Return what to say of a write that the system refused; None for other errors."""
    by_system = isinstance(error, OSError) and error.errno is not None and not isinstance(error, FileNotFoundError)
    if not by_system and not no_space(error, target.parent):
        return None
    reason = getattr(error, "strerror", None) or "no space left on the device"
    return EnvironmentFault(f"writing {target} failed: {reason}; free some space or choose another folder")


def no_space(error: BaseException, folder: Path) -> bool:
    """Whether a write in ``folder`` failed for want of space: libraries wrap the system's error, or lose it."""
    words = ("No space left", "os error 28", "File too large", "os error 27", "quota exceeded")
    if any(word in str(error) for word in words):
        return True
    try:
        return shutil.disk_usage(folder).free < NEARLY_FULL
    except FileNotFoundError:  # another process of the same training has removed it: the error is not of the disk
        return False


def default_mode(folder: Path) -> int:
    """Return the mode that a plain new file in ``folder`` gets: what the user's umask leaves of 0o666."""
    handle, name = tempfile.mkstemp(prefix=".tmp-", dir=folder)
    os.close(handle)
    probe = Path(name)
    probe.unlink()
    probe.touch()
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    return mode


def _apply_umask(folder: Path) -> None:
    """Give every file and folder the mode that the user's umask says: some libraries make files private."""
    mode = default_mode(folder)
    # A folder that may be read may also be searched.
    folder_mode = mode | (mode & 0o444) >> 2
    folder.chmod(folder_mode)
    for path in folder.rglob("*"):
        path.chmod(folder_mode if path.is_dir() else mode)


def flush(path: Path) -> None:
    """Bring a file to the disk, so that a power cut after it is renamed cannot leave it empty."""
    # Windows flushes only what may be written.
    with path.open("r+b" if os.access(path, os.W_OK) else "rb") as file:
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Flush every file of a folder."""
    for path in folder.rglob("*"):
        if path.is_file():
            flush(path)


def replace_file(path: Path, content: str | bytes) -> None:
    """Write a temporary sibling, flush it, and rename it to ``path``. Raises EnvironmentFault."""
    temporary: Path | None = None
    written = content.encode("utf-8", errors="replace") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_old(path)
        handle, name = tempfile.mkstemp(prefix=f".tmp-{path.name}-", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(written)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(default_mode(path.parent))
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        reason = f"writing {path} failed: {error.strerror}"
        raise EnvironmentFault(f"{reason}; free some space or choose another folder") from error


def _remove_old(path: Path) -> None:
    """Remove the temporary siblings of ``path`` that killed processes left: writing one takes no hour."""
    for remains in path.parent.glob(f".tmp-{glob.escape(path.name)}-*"):
        if remains.is_file() and time.time() - remains.stat().st_mtime > LEFT_AFTER:
            remains.unlink(missing_ok=True)
