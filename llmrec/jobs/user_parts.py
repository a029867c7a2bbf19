"""The users of a batch job, a part of them at a time: histories are read from Parquet and never all at once."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Set
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from llmrec.artifact import HISTORIES, MANIFEST
from llmrec.data import Dataset, Histories
from llmrec.data.builtin import BUILTIN
from llmrec.data.columns import USER
from llmrec.data.ids import BLANKS, ids_of
from llmrec.data.prepared import EVENTS, METADATA
from llmrec.errors import DataError
from llmrec.resources.bounded import UnreadableError, read_table, read_text
from llmrec.resources.cache import sha256_of

log = logging.getLogger(__name__)

# Events that are read at a time.
BATCH_EVENTS = 2**18


class Source(NamedTuple):
    """Events of users, those of a user in a row and oldest first: a Parquet file, or a table."""

    label: str
    fingerprint: str
    path: Path | None
    table: pl.DataFrame | None = None

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield all events, ``BATCH_EVENTS`` at a time."""
        if self.path is None:
            assert self.table is not None
            yield from self.table.iter_slices(BATCH_EVENTS)
            return
        yield from read_batches(self.path)


class UserPart(NamedTuple):
    """Consecutive users of a source: where their events begin, how many these are, and how many users."""

    number: int
    first_event: int
    n_events: int
    n_users: int


def source_of(run: Path, data: str | Path | None) -> Source:
    """Return the histories of a run's users, or those of prepared or built-in data. Raises DataError."""
    if data is None:
        return Source(str(run), sha256_of(run / MANIFEST), run / HISTORIES)
    folder = Path(data)
    if not folder.exists() and str(data) in BUILTIN:
        built_in = Dataset.load(data)
        return Source(str(data), built_in.fingerprint, None, built_in.events)
    if not (folder / METADATA).is_file() or not (folder / EVENTS).is_file():
        Dataset.load(data)  # says what is wrong
    return Source(str(data), sha256_of(folder / EVENTS), folder / EVENTS)


def read_user_ids(users: str | Path | Iterable[object]) -> pl.Series:
    """Return distinct user ids, of a list or of a file: one a line, or the column user_id of CSV or Parquet.

    Raises DataError for a file that cannot be read or lacks the column, and where there is none.
    """
    if isinstance(users, str | Path):
        label, ids = str(users), _ids_of_file(Path(users))
    else:
        label, listed = "users", list(users) if isinstance(users, Set) else users
        ids = pl.Series(USER, ids_of(listed, label=label))
    if ids.is_empty():
        raise DataError(f"{label}: it holds no user id; write one a line")
    distinct = ids.unique(maintain_order=True)
    if len(distinct) < len(ids):
        log.warning("%s: %d ids are there again; each user is answered once", label, len(ids) - len(distinct))
    return distinct


def hash_of(ids: pl.Series) -> str:
    """Hash user ids, whatever their order."""
    digest = hashlib.sha256()
    for part in ids.sort().to_frame().iter_slices(BATCH_EVENTS):
        digest.update("\n".join(part.to_series()).encode() + b"\n")
    return digest.hexdigest()


def copy_events(source: Source, users: pl.Series | None, path: Path) -> None:
    """Write a source's events to ``path``, those of ``users`` only. Raises DataError for a user who has none."""
    from pyarrow import parquet

    wanted = None if users is None else users.to_frame(USER)
    seen, writer = list[pl.Series](), None
    try:
        for events in source.batches():
            chosen = events
            if wanted is not None:
                chosen = events.join(wanted, on=USER, how="semi", maintain_order="left")
                seen.append(chosen[USER].unique())
            table = chosen.to_arrow(compat_level=pl.CompatLevel.oldest())
            writer = writer or parquet.ParquetWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()
    if wanted is None:
        return
    with_events = pl.DataFrame({USER: pl.concat(seen) if seen else pl.Series([], dtype=pl.String)})
    unknown = wanted.join(with_events, on=USER, how="anti", maintain_order="left")[USER]
    if len(unknown):
        raise DataError(
            f"{len(unknown)} of {len(wanted)} users have no history in {source.label}, e.g. '{unknown[0]}'; leave "
            "them out, or name the data that has theirs with --data of llmrec batch"
        )


def parts_of(path: Path, users_per_part: int) -> list[UserPart]:
    """Divide the users of a file of events into parts, by one pass over its users. Raises DataError for none."""
    starts, n_events, n_users = list[int](), 0, 0
    last: str | None = None
    for batch in read_batches(path, columns=[USER]):
        names = batch[USER]
        is_new = (names != names.shift(1, fill_value=last)).fill_null(True).to_numpy()
        firsts = n_events + np.flatnonzero(is_new)
        starts += firsts[(n_users + np.arange(len(firsts))) % users_per_part == 0].tolist()
        n_events, n_users, last = n_events + len(names), n_users + len(firsts), names[-1]
    if not starts:
        raise DataError(f"{path} holds no users to answer; name other data with --data")
    counts = [users_per_part] * (len(starts) - 1) + [n_users - users_per_part * (len(starts) - 1)]
    bounds = pairwise([*starts, n_events])
    return [UserPart(n, start, stop - start, counts[n]) for n, (start, stop) in enumerate(bounds)]


def read_part(path: Path, part: UserPart) -> Histories:
    """Read the histories of a part's users."""
    events = pl.scan_parquet(path, glob=False).slice(part.first_event, part.n_events).collect()
    return Histories.from_events(events)


def read_batches(path: Path, *, columns: list[str] | None = None) -> Iterator[pl.DataFrame]:
    """Yield the rows of a Parquet file, ``BATCH_EVENTS`` at a time."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_EVENTS, columns=columns):
            frame = pl.from_arrow(batch)
            assert isinstance(frame, pl.DataFrame)
            if frame.height:
                yield frame


def _ids_of_file(path: Path) -> pl.Series:
    try:
        if path.suffix == ".parquet":
            table = read_table(path)
        elif path.suffix in {".csv", ".tsv"}:
            table = pl.read_csv(
                path, infer_schema=False, separator="\t" if path.suffix == ".tsv" else ",", glob=False
            )
        else:
            lines = read_text(path, most=2**31).splitlines()
            table = pl.DataFrame({USER: pl.Series(lines, dtype=pl.String)})
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (UnreadableError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{path} cannot be read: {' '.join(str(error).split())[:300]}") from error
    if USER not in table.columns:
        raise DataError(f"{path}: no column '{USER}' among {', '.join(table.columns)}; rename one")
    ids = table[USER].drop_nulls()
    if ids.dtype != pl.String:
        ids = pl.Series(USER, ids_of(ids.to_list(), label=f"{path}: {USER}"), dtype=pl.String)
    ids = ids.str.strip_chars(BLANKS)
    return ids.filter(ids != "")
