"""A run directory: written whole or not at all, its manifest last; read only when complete and undamaged."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from llmrec.errors import ArtifactError, DataError, EnvironmentFault, LlmrecError, PromptError
from llmrec.resources.bounded import UnreadableError, read_json
from llmrec.resources.cache import appearing, sha256_of
from llmrec.resources.locks import restored
from llmrec.runtime import machine, versions

FORMAT = 2  # 1: recipes had other sections and fields
MANIFEST = "manifest.json"
MOST_FILES = 1000
# Events of people in a run: the known histories, and the split (a folder); of members too, whose manifests change.
HISTORIES, SPLIT = "histories.parquet", "split"
CHANGED_BY_FORGETTING = {HISTORIES, SPLIT, MANIFEST}
# A run larger than this must not consist of holes: hashing a terabyte of nothing takes an hour.
MAY_BE_SPARSE = 2**30


@dataclass(frozen=True)
class Manifest:
    """The manifest of a run directory. ``metadata`` holds seed, fingerprints, base model and the like."""

    kind: str
    metadata: Mapping[str, Any]
    files: Mapping[str, str]


class _ManifestFile(BaseModel):
    model_config = ConfigDict(extra="allow")

    format: StrictInt
    kind: Annotated[StrictStr, Field(min_length=1, max_length=200)]
    files: dict[StrictStr, Annotated[StrictStr, Field(pattern="^[0-9a-f]{64}$")]]


def write(
    folder: Path,
    *,
    kind: str,
    metadata: Mapping[str, Any],
    fill: Callable[[Path], None],
    replace: bool = False,
) -> None:
    """Create ``folder`` from what ``fill`` writes, plus a manifest with every file's sha256.

    ``replace``: what is there is removed then. Raises ArtifactError if ``folder`` exists otherwise,
    EnvironmentFault when it cannot be written, WriteConflict where another process writes it.
    """
    if folder.exists() and not replace:
        raise ArtifactError(f"{folder} exists already; choose another folder or remove it")
    with appearing(folder, replace=replace) as temporary:
        fill(temporary)
        manifest = {
            "format": FORMAT,
            "kind": kind,
            "versions": versions(),
            "machine": machine(),
            **metadata,
            "files": {name: sha256_of(temporary / name) for name in sorted(_files_in(temporary))},
        }
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def read(folder: Path, *, verify: bool = True) -> Manifest:
    """Read and check a run directory: it holds the files that its manifest lists, unchanged, and no others.

    Raises ArtifactError for a missing or interrupted run, a damaged, missing or additional file, another format.
    """
    if not restored(folder).is_dir():
        raise ArtifactError(f"there is no run at {folder}")
    path = folder / MANIFEST
    if not os.path.lexists(path):
        raise ArtifactError(f"{folder} has no {MANIFEST}: an interrupted or foreign directory, not a run")
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ArtifactError(f"{path} is no plain file; copy the run with what its links point to")
    values = _manifest_values(path)
    version = values.pop("format")
    if version < FORMAT:
        raise ArtifactError(
            f"{folder} was written in format {version}, by an earlier version of llmrec; fit it again: llmrec fit "
            "RECIPE --data DIR --out RUN"
        )
    kind, files = values.pop("kind"), values.pop("files")
    if verify:
        _verify(folder, files)
    return Manifest(kind, values, files)


def fingerprint(folder: Path) -> str:
    """Return what tells a run from others: a digest of its files but those that forgetting people changes.

    Raises ArtifactError without a run.
    """
    lasting = {
        name: digest
        for name, digest in read(folder, verify=False).files.items()
        if not CHANGED_BY_FORGETTING & set(Path(name).parts)
    }
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Turn what goes wrong while a run's files are read into one line about the run. Raises ArtifactError.

    Its files are what the manifest says, but whoever changed one may have changed the manifest, too.
    """
    try:
        yield
    except (DataError, PromptError, UnreadableError) as error:
        raise ArtifactError(f"{folder} is damaged: {error}; restore it or train again") from error
    except LlmrecError:
        raise
    except MemoryError as error:
        raise EnvironmentFault(f"{folder}: this machine has too little memory to load it") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ArtifactError(
            f"{folder} cannot be read ({type(error).__name__}: {reason}): it was changed, or written by another "
            "version; restore it or train again"
        ) from error


def _manifest_values(path: Path) -> dict[str, Any]:
    """Read the manifest. Raises ArtifactError for a damaged one and for a newer format, whatever that holds."""
    try:
        values = read_json(path)
    except (UnreadableError, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it or train again") from error
    if isinstance(values, dict) and type(values.get("format")) is int and values["format"] > FORMAT:
        written_by = values.get("versions")
        wanted = written_by.get("llmrec") if isinstance(written_by, dict) else None
        raise ArtifactError(
            f"{path.parent} was written in format {values['format']}: install "
            f"{f'llmrec=={wanted}' if wanted else 'a newer llmrec'} to read it"
        )
    try:
        return _ManifestFile.model_validate(values).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "it"
        raise ArtifactError(f"{path} is damaged ({field}: {first['msg']}); restore it or train again") from error


def _files_in(folder: Path) -> dict[str, int]:
    """Return the size of every file by its path in ``folder``.

    Raises ArtifactError for links, devices and the like, and for absurdly many files.
    """
    sizes: dict[str, int] = {}
    for directory, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(directory) / name
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                sizes[path.relative_to(folder).as_posix()] = status.st_size
            elif not stat.S_ISDIR(status.st_mode):
                raise ArtifactError(f"{path} is no plain file; copy the run with what its links point to")
        if len(sizes) + len(folders) > MOST_FILES:
            raise ArtifactError(f"{folder} is no run: it holds more than {MOST_FILES:,} files and folders")
    return sizes


def _verify(folder: Path, files: Mapping[str, str]) -> None:
    sizes = _files_in(folder)
    sizes.pop(MANIFEST)
    missing, added = sorted(files.keys() - sizes.keys()), sorted(sizes.keys() - files.keys())
    if missing:
        raise ArtifactError(f"{folder / missing[0]} is missing; restore it or train again")
    if added:
        raise ArtifactError(f"{folder / added[0]} is not in the run's {MANIFEST}; remove it, or train again")
    large = sum(sizes.values()) > MAY_BE_SPARSE
    for name, expected in files.items():
        path = folder / name
        if large and _mostly_holes(path, sizes[name]):
            raise ArtifactError(f"{path} is damaged (most of it was never written); restore it or train again")
        if sha256_of(path) != expected:
            raise ArtifactError(f"{path} is damaged (its sha256 changed); restore it or train again")


def _mostly_holes(path: Path, size: int) -> bool:
    """Whether less than half of a file is written; False where the system cannot tell."""
    if not hasattr(os, "SEEK_DATA"):
        return False
    written = 0
    with path.open("rb") as file:
        try:
            end = 0
            while 2 * written < size:
                start = os.lseek(file.fileno(), end, os.SEEK_DATA)
                end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
                written += end - start
        except OSError as error:
            return error.errno == errno.ENXIO  # no data after this
    return False
