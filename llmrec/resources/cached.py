"""Folders in the cache, each with a record beside it of what was put there: what changed since is not used."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmrec.errors import EnvironmentFault
from llmrec.resources.bounded import UnreadableError, read_text
from llmrec.resources.cache import appearing, replace_file, sha256_of
from llmrec.resources.locks import exclusive

log = logging.getLogger(__name__)

State = Literal["absent", "unrecorded", "whole", "changed"]


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int
    modified: int  # nanoseconds, as the file system has it
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Record(BaseModel):
    """``source``: what the folder was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    files: dict[str, _File]


def cached_folder(path: Path, fill: Callable[[Path], None], *, source: str) -> Path:
    """Return the folder ``path`` of the cache, as ``fill`` wrote it.

    It is filled first where it is not there, or was made from another ``source``, or by a version that kept no
    record. Names, sizes and times of its files are compared each time, contents where a time differs. Raises
    EnvironmentFault for a file that is not what was put there.
    """
    if _is_whole(path, source):
        return path
    with _cache_named(), exclusive(path, wait=True):
        if not _is_whole(path, source):  # else another process has filled it in the meantime
            with appearing(path, replace=True) as folder:
                fill(folder)
            _write_record(path, _Record(source=source, files=_files_of(path)))
    return path


@contextmanager
def _cache_named() -> Iterator[None]:
    """Say with a fault of the cache's folder how another one is named."""
    try:
        yield
    except EnvironmentFault as error:
        if not str(error).startswith("cannot write in"):
            raise
        raise EnvironmentFault(f"{error}; LLMREC_CACHE names another folder for the cache") from error


def state_of(path: Path) -> tuple[State, str]:
    """Compare a folder of the cache with its record, contents too. Returns also the file that changed, or ""."""
    if not path.is_dir():
        return "absent", ""
    record = _read_record(path)
    if record is None:
        return "unrecorded", ""
    changed = _changed_file(path, record, contents=True)
    return ("whole", "") if changed is None else ("changed", changed)


def _is_whole(path: Path, source: str) -> bool:
    record = _read_record(path)
    if not path.is_dir() or record is None or record.source != source:
        if path.is_dir():
            log.info("%s is made anew: there is no record of what was put there", path)
        return False
    changed = _changed_file(path, record, contents=False)
    if changed is not None:
        raise EnvironmentFault(
            f"{path / changed} is not what was put into the cache; remove {path}, and it is made anew at the next "
            "use"
        )
    return True


def _changed_file(path: Path, record: _Record, *, contents: bool) -> str | None:
    """Name a file that differs from the record, is missing or was added. Notes new times of equal contents."""
    sizes = {name: (path / name).stat() for name in _names_in(path)}
    if sizes.keys() != record.files.keys():
        return min(sizes.keys() ^ record.files.keys())
    moved = False
    for name, known in record.files.items():
        there = sizes[name]
        if there.st_size != known.size:
            return name
        if (contents or there.st_mtime_ns != known.modified) and sha256_of(path / name) != known.sha256:
            return name
        moved |= there.st_mtime_ns != known.modified
    if moved:  # a copied cache: the next use need not hash it again
        times = {
            name: known.model_copy(update={"modified": sizes[name].st_mtime_ns})
            for name, known in record.files.items()
        }
        _write_record(path, _Record(source=record.source, files=times))
    return None


def _names_in(path: Path) -> list[str]:
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if not file.is_dir())


def _files_of(path: Path) -> dict[str, _File]:
    files = {}
    for name in _names_in(path):
        status = (path / name).stat()
        files[name] = _File(size=status.st_size, modified=status.st_mtime_ns, sha256=sha256_of(path / name))
    return files


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.files.json")


def _read_record(path: Path) -> _Record | None:
    try:
        return _Record.model_validate_json(read_text(_record_path(path)))
    except (OSError, UnreadableError, ValidationError):
        return None


def _write_record(path: Path, record: _Record) -> None:
    try:
        replace_file(_record_path(path), json.dumps(record.model_dump(), indent=1) + "\n")
    except EnvironmentFault as error:  # a cache that may only be read is hashed at each use
        log.debug("%s", error)
