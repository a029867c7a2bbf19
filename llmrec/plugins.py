"""What installed packages offer by entry points: looked up by name, imported when it is used."""

from __future__ import annotations

import importlib
import sys
from functools import lru_cache
from importlib import metadata
from operator import attrgetter
from pathlib import Path
from typing import Any

from llmrec.errors import RegistryError


def names_of(group: str) -> list[str]:
    """Return the names of a group's entry points, sorted, each once."""
    return sorted(_points(group).names)


def paths_of(group: str, name: str) -> dict[str, str]:
    """Return what packages register by a name of a group: ``package.module:object`` by the package's name."""
    points = _points(group).select(name=name)
    return {point.dist.name if point.dist else "?": point.value for point in points}


def require_one(what: str, paths: dict[str, str]) -> tuple[str, str]:
    """Return who registers ``what`` and its path, of one or more. Raises RegistryError where they differ."""
    (source, path), *others = paths.items()
    for other, another in others:
        if another != path:
            raise RegistryError(
                f"two packages register the {what}: {source} ({path}) and {other} ({another}); uninstall one of "
                "them, or give what it registers another name"
            )
    return source, path


def imported(what: str, source: str, path: str) -> Any:
    """Import what a package registers. Raises RegistryError, whatever goes wrong there."""
    module, _, name = path.partition("[")[0].strip().partition(":")  # extras may follow, as in "shelf:read [fast]"
    try:
        return attrgetter(name)(importlib.import_module(module))
    except (Exception, SystemExit) as error:  # anything may happen while the code of others is imported
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RegistryError(
            f"the {what} of {source} cannot be imported from {path} ({reason}); install what it needs, or remove "
            "what registers it"
        ) from error


def function_of(group: str, name: str, what: str) -> Any:
    """Return the function that a package registers by a name of a group, None where none does.

    ``what`` says what it is, such as "metric 'top_three'". Raises RegistryError where two packages register it,
    where it cannot be imported, and where it is no function.
    """
    paths = paths_of(group, name)
    if not paths:
        return None
    source, path = require_one(what, paths)
    value = imported(what, source, path)
    if not callable(value):
        raise RegistryError(f"{path}, registered by {source} as {what}, is no function")
    return value


def _points(group: str) -> metadata.EntryPoints:
    """Return a group's entry points: read again once a folder of packages has changed, as installing does."""
    return _read(group, tuple((folder, _changed(folder)) for folder in sys.path))


@lru_cache(maxsize=16)
def _read(group: str, folders: tuple[tuple[str, int], ...]) -> metadata.EntryPoints:
    return metadata.entry_points(group=group)


def _changed(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0
