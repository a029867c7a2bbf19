"""A run directory: written whole or not at all, its manifest last; read only when complete and undamaged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmrec.errors import ArtifactError
from llmrec.resources.cache import appearing, sha256_of
from llmrec.runtime import machine, versions

FORMAT = 2  # 1: recipes had other sections and fields
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """The manifest of a run directory. ``metadata`` holds seed, fingerprints, base model and the like."""

    kind: str
    metadata: Mapping[str, Any]
    files: Mapping[str, str]


def write(folder: Path, *, kind: str, metadata: Mapping[str, Any], fill: Callable[[Path], None]) -> None:
    """Create ``folder`` from what ``fill`` writes, plus a manifest with every file's sha256.

    Raises ArtifactError if ``folder`` exists, EnvironmentFault when it cannot be written.
    """
    if folder.exists():
        raise ArtifactError(f"{folder} exists already; choose another folder or remove it")
    with appearing(folder) as temporary:
        fill(temporary)
        files = sorted(path for path in temporary.rglob("*") if path.is_file())
        manifest = {
            "format": FORMAT,
            "kind": kind,
            "versions": versions(),
            "machine": machine(),
            **metadata,
            "files": {path.relative_to(temporary).as_posix(): sha256_of(path) for path in files},
        }
        (temporary / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def read(folder: Path, *, verify: bool = True) -> Manifest:
    """Read and check a run directory.

    Raises ArtifactError for a missing or interrupted run, a damaged file or another format.
    """
    path = folder / MANIFEST
    if not folder.is_dir():
        raise ArtifactError(f"there is no run at {folder}")
    if not path.is_file():
        raise ArtifactError(f"{folder} has no {MANIFEST}: an interrupted or foreign directory, not a run")
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
        version, kind = int(metadata.pop("format")), str(metadata.pop("kind"))
        files = dict(metadata.pop("files"))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it or train again") from error
    if version > FORMAT:
        wanted = metadata.get("versions", {}).get("llmrec", "a newer version")
        raise ArtifactError(f"{folder} was written in format {version}: install llmrec=={wanted} to read it")
    if version < FORMAT:
        raise ArtifactError(
            f"{folder} was written in format {version}, by an earlier version of llmrec; fit it again: llmrec fit "
            "RECIPE --data DIR --out RUN"
        )
    if verify:
        _verify(folder, files)
    return Manifest(kind, metadata, files)


def _verify(folder: Path, files: Mapping[str, str]) -> None:
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{path} is missing; restore it or train again")
        if sha256_of(path) != expected:
            raise ArtifactError(f"{path} is damaged (its sha256 changed); restore it or train again")
