"""Make a run's manifest agree with files that a test has changed, as whoever means harm would."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

MANIFEST = "manifest.json"


def seal(folder: Path) -> None:
    """Write a manifest that says what the files are now."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file != path)
    manifest["files"] = {file.relative_to(folder).as_posix(): sha256_of(file) for file in files}
    path.write_text(json.dumps(manifest), encoding="utf-8")


def sha256_of(file: Path) -> str:
    """Hash a file; one of more than a gigabyte is never read by who must refuse it."""
    if file.stat().st_size > 2**30:
        return "0" * 64
    return hashlib.sha256(file.read_bytes()).hexdigest()
