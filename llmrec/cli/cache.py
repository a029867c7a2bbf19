"""``llmrec cache``: what was downloaded and converted, how large it is, and removing it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from llmrec.cli.output import Json, say, show
from llmrec.errors import DataError, EnvironmentFault

CachedName = Annotated[str | None, typer.Argument(metavar="[NAME]", help="Only this one; without it, all.")]
Clear = Annotated[bool, typer.Option("--clear", help="Remove it; whoever needs it fetches or makes it again.")]


def cache(name: CachedName = None, clear: Clear = False, as_json: Json = False) -> None:
    """What the cache holds, with its size; --clear removes it. LLMREC_CACHE says where it lies."""
    import polars as pl

    from llmrec.resources.cache import cache_dir

    folder = cache_dir()
    entries = {f"{entry.parent.name}/{entry.name}": entry for entry in _entries(folder)}
    chosen = {label: path for label, path in entries.items() if name is None or name in (label, path.name)}
    if name is not None and not chosen:
        raise DataError(f"{folder} holds no {name}; there are {', '.join(entries) or 'none'}")
    sizes = {label: _size(path) for label, path in chosen.items()}
    if clear:
        for path in chosen.values():
            _remove(path)
        say(f"{folder}: {len(chosen)} removed, {_shown(sum(sizes.values()))}", error=as_json)
        return
    rows = [(label, size if as_json else _shown(size), str(chosen[label])) for label, size in sizes.items()]
    say(f"{folder}: {_shown(sum(sizes.values()))}", error=as_json)
    show(pl.DataFrame(rows, schema=["name", "size", "path"], orient="row", strict=False), as_json=as_json)


def _entries(folder: Path) -> list[Path]:
    """Return the downloads and converted models, each with a record beside it: nothing else is touched."""
    return [path for path in sorted(folder.glob("*/*")) if path.is_dir() and _record(path).is_file()]


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.files.json")


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def _shown(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"


def _remove(path: Path) -> None:
    """Remove a folder and its record. Raises EnvironmentFault, WriteConflict where another process fills it."""
    from llmrec.resources.locks import exclusive

    try:
        with exclusive(path):
            _record(path).unlink()
            shutil.rmtree(path)
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be removed: {error.strerror or error}") from error
