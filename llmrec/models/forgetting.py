"""Forget people in a run on the disk: their events and vectors go, and the run is written anew, whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from llmrec import artifact
from llmrec.artifact import HISTORIES, MANIFEST, SPLIT
from llmrec.data.columns import USER
from llmrec.data.ids import ids_of
from llmrec.data.splits.forgetting import without_events
from llmrec.errors import DataError
from llmrec.models.changes import one_more_forgotten
from llmrec.models.run_files import check_metadata, read_events
from llmrec.resources.cache import appearing, named, sha256_of
from llmrec.resources.locks import exclusive, has_remains
from llmrec.retrieval.index import UserIndex
from llmrec.retrieval.index_files import journal_path, read_index, users_of
from llmrec.retrieval.index_folder import IndexFolder


class Forgotten(NamedTuple):
    """What was removed: people, their events in the run, and their vectors in the index of users beside it.

    ``remains``: whether an earlier, interrupted forgetting had left the run of before.
    """

    users: int
    events: int
    vectors: int
    remains: bool


def forget_users(run: str | Path, user_ids: Sequence[str | int]) -> Forgotten:
    """Remove people from a run, its members, its split and the index of users beside it.

    Whatever interrupts this, the run is whole, as before or as after. The weights stay, and with them what they
    learned; the manifest says how many people were forgotten, not who. A loaded model keeps what it has: see
    ``Recommender.forget_user``. Raises DataError for no id, an id that is there twice or is nowhere in the run,
    ArtifactError for a damaged run, and WriteConflict where another process writes it.
    """
    users = _distinct(ids_of(user_ids, label="users to forget"))
    given = named(Path(run))
    folder = given.resolve() if given.is_symlink() else given  # a link to a run stays one
    beside = list(dict.fromkeys((users_of(given), users_of(folder))))
    remains = any(map(has_remains, (folder, *beside)))
    check_metadata(artifact.read(folder).metadata, folder)
    with ExitStack() as locks:
        for path in (folder, *beside):  # what an interruption left is removed, or put back, by this
            locks.enter_context(exclusive(path))
        known, n_vectors = read_events(folder)[USER], 0
        indexes = {path: UserIndex.open(path) for path in beside if path.is_dir()}
        _require_known(users, known, indexes.values(), remains, folder)
        for path, index in indexes.items():
            vectors = index.names.filter(index.names.is_in(users)).to_list()
            n_vectors += len(vectors)
            if vectors or journal_path(path).exists():
                _remove_vectors(index, vectors, path)
        n, events = known.filter(known.is_in(users)).n_unique(), int(known.is_in(users).sum())
        if n:
            with appearing(folder, replace=True) as new:
                write_without(folder, new, users, n)
    return Forgotten(len(users), events, n_vectors, remains)


def _distinct(users: list[str]) -> list[str]:
    if not users:
        raise DataError("users to forget: there is none")
    twice = next((user for n, user in enumerate(users) if user in users[:n]), None)
    if twice is not None:
        raise DataError(f"users to forget: '{twice}' is there twice; name everybody once")
    return users


def _require_known(
    users: list[str], known: pl.Series, indexes: Iterable[UserIndex], remains: bool, folder: Path
) -> None:
    there = {*known, *(user for index in indexes for user in index.ids)}
    unknown = [user for user in users if user not in there]
    if unknown and not remains:  # who was removed before an interruption is not known any more
        raise DataError(
            f"user '{unknown[0]}' is not among the {known.n_unique()} users of {folder}; nobody was forgotten"
        )


def write_without(source: Path, target: Path, users: list[str], n: int) -> None:
    """Write a run, and the runs of its members, without ``n`` people; whatever does not hold them is linked."""
    manifest: dict[str, Any] = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
    changed = [HISTORIES, MANIFEST]
    for member in sorted(path.parent for path in source.glob(f"*/*/{MANIFEST}")):
        inside = member.relative_to(source)
        (target / inside).mkdir(parents=True)
        write_without(member, target / inside, users, n)
        changed += [path.relative_to(target).as_posix() for path in (target / inside).rglob("*")]
    events = read_events(source)
    stay = ~events[USER].is_in(users)
    events.filter(stay).write_parquet(target / HISTORIES)
    if (source / SPLIT).is_dir() and without_events(source / SPLIT, target / SPLIT, stay):
        changed += [path.relative_to(target).as_posix() for path in (target / SPLIT).iterdir()]
    for name in manifest["files"]:
        if name not in changed:
            _link(source / name, target / name)
    manifest["forgotten"] = one_more_forgotten(manifest, n)
    manifest["files"] = {
        name: sha256_of(target / name) if name in changed else digest for name, digest in manifest["files"].items()
    }
    (target / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    """Give a file, which nobody writes to, a second name; copy it where the file system has one name a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _remove_vectors(index: UserIndex, users: list[str], folder: Path) -> None:
    """Remove people from the index of users; no byte of them stays in its folder or its journal."""
    if len(users) == len(index):
        shutil.rmtree(folder)
        journal_path(folder).unlink(missing_ok=True)
        return
    if users:
        index.remove(users)
    index.compact()
    if journal_path(folder).exists():  # with what was made of it already, if an earlier try was killed there
        IndexFolder(folder, read_index(folder, "user", verify=False), "user").journal.rewrite([])
