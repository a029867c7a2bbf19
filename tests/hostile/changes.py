"""Changed run directories: each by its number, the same every time."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hostile.files import ANY, BY_SUFFIX
from hostile.nasty import spoiled
from support.sealed import MANIFEST, seal, sha256_of

# The share of changes whose manifest says the new hashes, as whoever means harm would write it.
SEALED = 0.85


class Changed(NamedTuple):
    """What was done. ``must_refuse``: a file differs from the manifest, or is none: no answer may come of it."""

    run: str
    text: str
    must_refuse: bool


def changed_run(number: int, runs: Mapping[str, Path], target: Path) -> Changed:
    """Copy one of ``runs`` to ``target`` and change it, as the number says."""
    draw = random.Random(number)
    # Equally often by case, not by file: an LLM's run has many.
    case = draw.choice(sorted(runs))
    shutil.copytree(runs[case], target)
    what = draw.random()
    if what < 0.12:
        return Changed(case, "manifest: " + _manifest(target, draw), False)
    if what < 0.22:
        text, must_refuse = _layout(target, draw)
        return Changed(case, text, must_refuse)
    files = sorted(path for path in target.rglob("*") if path.is_file() and path.name != MANIFEST)
    path = draw.choice(files)
    before = path.read_bytes()
    change = draw.choice((*BY_SUFFIX.get(path.suffix, ()), *ANY))
    text = f"{path.relative_to(target).as_posix()}: {change(path, draw)}"
    if path.stat().st_size > 2**30 or draw.random() < SEALED:
        seal(target)
        return Changed(case, text, False)
    return Changed(case, f"{text} (unsealed)", path.read_bytes() != before)


def _manifest(folder: Path, draw: random.Random) -> str:
    path = folder / MANIFEST
    text = path.read_text(encoding="utf-8")
    what = draw.choice(("value", "value", "value", "value", "depth", "digits", "bytes", "kind"))
    if what == "value":
        path.write_text(json.dumps(spoiled(json.loads(text), draw)), encoding="utf-8")
    elif what == "kind":
        kinds = ("popularity", "gru", "llm", "markov", "style", "als")
        path.write_text(json.dumps(json.loads(text) | {"kind": draw.choice(kinds)}), encoding="utf-8")
    else:
        contents = {
            "depth": b"[" * 100_000,
            "digits": b'{"format": 1' + b"0" * 10_000 + b"}",
            "bytes": b"\xff\xfe\x00",
        }
        path.write_bytes(contents[what])
    return what


def _layout(folder: Path, draw: random.Random) -> tuple[str, bool]:
    """Change which files there are, and of what kind."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    path = draw.choice(files)
    change, must_refuse = draw.choice(LAYOUT)
    change(folder, path, draw)
    return f"{path.relative_to(folder).as_posix()} {change.__name__.strip('_').replace('_', ' ')}", must_refuse


def _gone(folder: Path, path: Path, draw: random.Random) -> None:
    path.unlink()


def _a_link(folder: Path, path: Path, draw: random.Random) -> None:
    path.unlink()
    path.symlink_to(folder.parent / "secret.txt")


def _a_pipe(folder: Path, path: Path, draw: random.Random) -> None:
    path.unlink()
    os.mkfifo(path)


def _a_folder(folder: Path, path: Path, draw: random.Random) -> None:
    path.unlink()
    path.mkdir()


def _and_a_file_outside_listed(folder: Path, path: Path, draw: random.Random) -> None:
    _relisted(folder, lambda files: files | {"../secret.txt": sha256_of(folder.parent / "secret.txt")})


def _unlisted(folder: Path, path: Path, draw: random.Random) -> None:
    name = path.relative_to(folder).as_posix()
    _relisted(folder, lambda files: {other: digest for other, digest in files.items() if other != name})


def _and_one_more(folder: Path, path: Path, draw: random.Random) -> None:
    (folder / "more.py").write_text("print(1)\n", encoding="utf-8")


def _gone_and_unlisted(folder: Path, path: Path, draw: random.Random) -> None:
    path.unlink()
    seal(folder)


def _swapped_with_another(folder: Path, path: Path, draw: random.Random) -> None:
    files = sorted(other for other in folder.rglob("*") if other.is_file() and other.name != MANIFEST)
    other = draw.choice([other for other in files if other.suffix == path.suffix and other != path] or files)
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)
    seal(folder)


def _relisted(folder: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest["files"] = change(manifest["files"])
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


# Each with whether no answer may come of it.
LAYOUT: tuple[tuple[Callable[[Path, Path, random.Random], None], bool], ...] = (
    (_gone, True),
    (_a_link, True),
    (_a_pipe, True),
    (_a_folder, True),
    (_and_a_file_outside_listed, True),
    (_unlisted, True),
    (_and_one_more, True),
    (_gone_and_unlisted, False),
    (_swapped_with_another, False),
)
