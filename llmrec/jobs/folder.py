"""The folder of a batch job: ``job.json`` says what is answered, each part's file is there whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from llmrec.errors import ArtifactError, FullDisk, InputError, LlmrecError
from llmrec.jobs.user_parts import UserPart
from llmrec.resources.bounded import UnreadableError, read_json
from llmrec.resources.cache import default_mode, flush, no_space, replace_file

JOB = "job.json"
FORMAT = 1
# The histories of some users only, as long as the job is not complete.
CHOSEN = ".histories.parquet"
_TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class JobFolder:
    """A batch job's folder. ``description`` says of which run, users and arguments the answers are."""

    path: Path
    description: Mapping[str, Any]
    parts: tuple[UserPart, ...]

    @classmethod
    def open(cls, path: Path, description: Mapping[str, Any], divide: Callable[[], list[UserPart]]) -> JobFolder:
        """Begin a job in a new or empty folder, or go on with the one that is there.

        ``divide`` makes the parts of a new job. The caller holds the folder's lock. Raises ArtifactError for a
        folder of something else, or of a job of another run, other users or arguments.
        """
        if (path / JOB).is_file():
            values = _read(path / JOB)
            _require_same(values["job"], description, path)
            parts = [UserPart(*part) for part in values["parts"]]
        else:
            if path.is_dir() and any(file.name not in _remains(path) for file in path.iterdir()):
                raise ArtifactError(f"{path} is there and holds no batch job; name a new folder with --out")
            parts = divide()
            path.mkdir(parents=True, exist_ok=True)
            write_job(path, description, parts, complete=False)
        _remove_remains(path, but=CHOSEN)
        return cls(path, description, tuple(parts))

    def open_parts(self) -> list[UserPart]:
        """Return the parts whose file is not written yet."""
        return [part for part in self.parts if not part_file(self.path, part).is_file()]

    def complete(self) -> None:
        """Note that every part is written, and remove what it needed until then or killed workers left."""
        write_job(self.path, self.description, list(self.parts), complete=True)
        _remove_remains(self.path)


def part_file(folder: Path, part: UserPart) -> Path:
    """Return where a part's answers stand."""
    return folder / f"part-{part.number:05}.parquet"


def write_job(folder: Path, description: Mapping[str, Any], parts: list[UserPart], *, complete: bool) -> None:
    """Write ``job.json``, whole or not at all."""
    values = {"format": FORMAT, "complete": complete, "job": description, "parts": parts}
    replace_file(folder / JOB, json.dumps(values, ensure_ascii=False) + "\n")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling that becomes ``path`` only if the block succeeds."""
    handle, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        flush(temporary)
        temporary.chmod(default_mode(path.parent))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_part(folder: Path, part: UserPart, table: pl.DataFrame) -> None:
    """Write a part's answers, whole or not at all. Raises FullDisk."""
    with disk_space(folder), whole_file(part_file(folder, part)) as temporary:
        table.write_parquet(temporary)


@contextmanager
def disk_space(folder: Path) -> Iterator[None]:
    """Turn a full disk into a FullDisk that says how to go on."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, FullDisk) or (isinstance(error, LlmrecError) and error.__cause__ is None):
            raise
        root = error.__cause__ or error  # replace_file's error is of the system's
        existing = next(path for path in (folder, *folder.resolve().parents) if path.is_dir())
        if not any(no_space(one, existing) for one in (error, root)):
            raise
        raise FullDisk(
            f"no space left for {folder}: free some, and the same command goes on; the parts written are whole"
        ) from error


def _remains(folder: Path) -> list[str]:
    """Name what a killed job left in its folder besides whole parts."""
    if not folder.is_dir():
        return []
    names = [path.name for path in folder.iterdir()]
    return [name for name in names if name.startswith(_TEMPORARY) or name == CHOSEN]


def _remove_remains(folder: Path, *, but: str | None = None) -> None:
    for name in _remains(folder):
        if name != but:
            (folder / name).unlink(missing_ok=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = read_json(path)
        if values["format"] > FORMAT:
            raise ArtifactError(f"{path} has format {values['format']}, newer than {FORMAT}; upgrade llmrec")
        [UserPart(*part) for part in values["parts"]]
        return {"job": dict(values["job"]), "parts": values["parts"]}
    except (OSError, UnreadableError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged; remove {path.parent} to answer anew") from error


def _require_same(made: Mapping[str, Any], wanted: Mapping[str, Any], folder: Path) -> None:
    """Raise ArtifactError for a job that answers something else."""
    for field, value in wanted.items():
        if made.get(field) != value:
            raise ArtifactError(
                f"{folder} holds a batch job with {field}={_shown(made.get(field))}, not {_shown(value)}; go on "
                "with that, choose another --out, or remove it"
            )


def _shown(value: object) -> str:
    return value[:12] if isinstance(value, str) else str(value)
