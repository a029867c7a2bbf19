"""What users did, one ordered list of events each: the argument of every recommender."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex, cast

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Int64s
from llmrec.data.cleaning.text_times import UnclearDates, text_times
from llmrec.data.cleaning.timestamps import LEAST_MILLISECONDS, to_micros, unix_seconds
from llmrec.data.columns import ITEM, NUMBERS, TIME, USER
from llmrec.data.ids import id_column, id_of, ids_of
from llmrec.data.notebook import ROWS, ShownAsTable
from llmrec.data.readers.frames import is_table, to_polars
from llmrec.errors import DataError


@dataclass(frozen=True, eq=False)
class Histories(ShownAsTable):
    """Event lists of n users, oldest event first: the query of every recommender.

    ``events`` holds the lists one after the other (``item_id`` plus whatever fields the data has, without
    the user); the events of user n are rows ``offsets[n]:offsets[n + 1]``. A list may be empty. Ids may be given
    as numbers (see ``llmrec.data.ids``). Raises DataError for a user id that is there twice.

    >>> histories = Histories.of({"ann": ["50", "181"], "ben": []})
    >>> histories.items(0), histories.lengths().tolist()
    (['50', '181'], [2, 0])
    """

    user_ids: tuple[str, ...]
    events: pl.DataFrame
    offsets: Int64s

    def __post_init__(self) -> None:
        object.__setattr__(self, "user_ids", tuple(_distinct(self.user_ids)))
        items = self.events[ITEM]
        if items.dtype != pl.String:
            column = id_column(items, ITEM, label="histories: item ids")
            object.__setattr__(self, "events", self.events.with_columns(column))

    @classmethod
    def of(cls, items: Mapping[Any, Sequence[Any]] | Iterable[Sequence[Any]]) -> Histories:
        """Build from item ids: ``{"ann": ["1", "7"]}``, or ``[["1", "7"]]`` where users have no name.

        Of a pandas Series of lists, such as ``groupby("user_id")["item_id"].apply(list)``, the index names users.
        """
        if isinstance(items, str | bytes) or is_table(items) or not isinstance(items, Iterable):
            raise DataError(
                f"a history is a list of item ids, not a {type(items).__name__}; write [['1', '7']], or "
                "Histories.from_events for a table"
            )
        lists = [
            ids_of(ids, label="a history") for ids in (items.values() if isinstance(items, Mapping) else items)
        ]
        named = items if isinstance(items, Mapping) else _index_of(items)
        users = [str(n) for n in range(len(lists))] if named is None else list(named)
        events = id_column([item for ids in lists for item in ids], ITEM, label="a history").to_frame()
        return cls(tuple(users), events, offsets_of([len(ids) for ids in lists]))

    @classmethod
    def from_events(cls, events: object, *, users: Sequence[str] | None = None) -> Histories:
        """Group events, a table of any frame library, by user; they are in time order within each user.

        ``users`` fixes which users come out and in which order (those without an event get an empty
        history); by default every user, in order of first appearance. Times become Unix seconds, of dates, text
        and milliseconds, too. Events count as choices but where a column ``positive_target`` says otherwise; a
        model that is given the table itself reads ratings and behaviors as those of its own data were.
        Raises DataError for a missing column, for events whose times go back, and for times, ratings, prices and
        quantities that cannot be read.
        """
        events = readable_events(to_polars(events, label="histories"))
        for column in (USER, ITEM):
            if column not in events.columns:
                raise DataError(f"histories: no column '{column}' among {', '.join(events.columns)}; rename one")
        events = events.with_columns(id_column(events[USER], USER, label="histories: user ids"))
        names = users if users is not None else events[USER].unique(maintain_order=True)
        names = _distinct(names)
        order = pl.DataFrame({USER: pl.Series(names, dtype=pl.String), "position": np.arange(len(names))})
        joined = events.select(USER).join(order, on=USER, how="left", maintain_order="left")["position"]
        known = joined.is_not_null()
        theirs, users_of_events = events.drop(USER).filter(known), joined.filter(known).to_numpy()
        if (np.diff(users_of_events) < 0).any():
            theirs = theirs[np.argsort(users_of_events, kind="stable")]
        histories = cls(tuple(names), theirs, offsets_of(np.bincount(users_of_events, minlength=len(names))))
        _check_order(histories)
        return histories

    def __repr__(self) -> str:
        return f"Histories({len(self):,} users, {self.events.height:,} events)"

    def _shown(self) -> pl.DataFrame:
        some = range(min(len(self), ROWS + 1))
        newest = [", ".join(reversed(self.items(n)[-ROWS:])) for n in some]
        shown = {"user_id": [self.user_ids[n] for n in some], "events": [int(self.lengths()[n]) for n in some]}
        return pl.DataFrame(shown | {"newest items": newest})

    def __len__(self) -> int:
        return len(self.user_ids)

    def __iter__(self) -> Iterator[list[str]]:
        return (self.items(n) for n in range(len(self)))

    def items(self, n: int) -> list[str]:
        """Item ids of user n, oldest first."""
        return self.events[ITEM][int(self.offsets[n]) : int(self.offsets[n + 1])].to_list()

    def events_of(self, n: int) -> pl.DataFrame:
        """Events of user n, oldest first."""
        return self.events[int(self.offsets[n]) : int(self.offsets[n + 1])]

    def lengths(self) -> Int64s:
        """Number of events of each user, int64 [n]."""
        return np.diff(self.offsets)

    def take(self, positions: Sequence[int] | Int64s, *, user_ids: Sequence[str] | None = None) -> Histories:
        """Return the histories at ``positions``, of the same users; of others where a position repeats."""
        chosen = np.asarray(positions, dtype=np.int64)
        starts, lengths = self.offsets[chosen], self.lengths()[chosen]
        rows = ranges(starts, lengths)
        users = [self.user_ids[n] for n in chosen] if user_ids is None else user_ids
        return Histories(tuple(users), self.events[rows], offsets_of(lengths))

    def of_user(self, user_id: str | int) -> Histories:
        """Return one user's history. Raises DataError for an unknown user."""
        return self.of_users([id_of(user_id, label="user id")])

    def of_users(self, user_ids: Iterable[str | int]) -> Histories:
        """Return the histories of some users, in the order of their ids. Raises DataError for an unknown one."""
        wanted = ids_of(user_ids, label="user ids")
        positions = {user: n for n, user in enumerate(self.user_ids)}
        for user in wanted:
            if user not in positions:
                raise DataError(f"user '{user}' is not among the {len(self):,} users of these histories")
        return self.take([positions[user] for user in wanted])

    def without(self, user_id: str) -> Histories:
        """Return the histories of all others."""
        return self.take(np.flatnonzero(np.array(self.user_ids, dtype=object) != user_id))

    def __getitem__(self, part: slice | SupportsIndex) -> Histories:
        if isinstance(part, slice):
            return self.take(np.arange(len(self))[part])
        try:
            return self.take([range(len(self))[operator.index(part)]])
        except (TypeError, IndexError) as error:
            raise DataError(
                f"there is no history at {part!r} of {len(self)}; positions count from 0, and of_user finds an id"
            ) from error


def _index_of(items: object) -> Iterable[object] | None:
    """Return the index of a pandas Series, None of other lists of histories."""
    index = getattr(items, "index", None)
    return None if index is None or callable(index) else cast("Iterable[object]", index)


def readable_events(events: pl.DataFrame) -> pl.DataFrame:
    """Return events with times as Unix seconds, and ratings, prices and quantities as numbers.

    Raises DataError for what cannot be read so.
    """
    return _with_seconds(_with_numbers(events))


def _with_numbers(events: pl.DataFrame) -> pl.DataFrame:
    """Return events with their ratings, prices and quantities as numbers, also where these are written as text."""
    for name in NUMBERS:
        cells = events.get_column(name, default=None)
        if cells is None or cells.dtype != pl.String:
            continue
        numbers = cells.cast(pl.Float64, strict=False)
        if numbers.null_count() > cells.null_count():
            wrong = cells.filter(numbers.is_null()).drop_nulls()[0]
            raise DataError(f"histories: {name} {wrong!r} is no number; make the column numbers first")
        events = events.with_columns(numbers)
    return events


def _with_seconds(events: pl.DataFrame) -> pl.DataFrame:
    """Return events with their times as Unix seconds; small numbers, which may be an order, stay as they are."""
    times = events.get_column(TIME, default=None)
    if times is None or times.dtype == pl.Null:
        return events
    times = times.fill_nan(None) if times.dtype.is_float() else times
    if times.dtype.is_numeric() and not (times.cast(pl.Float64).abs() >= LEAST_MILLISECONDS).any():
        return events.with_columns(times)
    try:
        is_text = times.dtype == pl.String
        micros = text_times(times, label="histories").micros if is_text else to_micros(times, label="histories")
    except UnclearDates as error:
        raise _no_times(times) from error
    if micros.null_count() > times.null_count():
        raise _no_times(times.filter(micros.is_null()))
    return events.with_columns(unix_seconds(micros).alias(TIME))


def _no_times(times: pl.Series) -> DataError:
    return DataError(
        f"histories: {TIME} {times.drop_nulls()[0]!r} cannot be read as a time; read the column first, for "
        "example by pandas.to_datetime"
    )


def _check_order(histories: Histories) -> None:
    times = histories.events.get_column(TIME, default=None)
    if times is None or not (times.dtype.is_numeric() or times.dtype.is_temporal()):
        return
    back = (times < times.shift(1)).fill_null(False).to_numpy().copy()
    back[histories.offsets[:-1][histories.lengths() > 0]] = False
    if back.any():
        user = histories.user_ids[int(np.searchsorted(histories.offsets, back.argmax(), side="right")) - 1]
        raise DataError(f"histories: the events of user '{user}' go back in time; sort them by {TIME}")


def _distinct(users: object) -> list[str]:
    ids = ids_of(users, label="histories: user ids")
    if len(set(ids)) < len(ids):
        user, count = Counter(ids).most_common(1)[0]
        raise DataError(f"histories: user id '{user}' is there {count} times; give each history another")
    return ids


def offsets_of(
    lengths: Sequence[int] | Int64s | Bools,
) -> Int64s:
    """Turn lengths [n] into offsets [n + 1]."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.asarray(lengths, dtype=np.int64))])


def ranges(starts: Int64s, lengths: Int64s) -> Int64s:
    """Return the numbers from ``starts[n]`` to below ``starts[n] + lengths[n]``, of all n one after the other."""
    return np.repeat(starts - offsets_of(lengths)[:-1], lengths) + np.arange(lengths.sum())


def n_strictly_earlier(histories: Histories) -> Int64s:
    """Count the strictly earlier events of each event's user, int64 [n_events]; without times, all before it."""
    lengths = histories.lengths()
    positions = np.arange(histories.events.height) - np.repeat(histories.offsets[:-1], lengths)
    if TIME not in histories.events.columns or not len(positions):
        return positions
    times = histories.events[TIME].to_numpy()
    new = np.diff(times, prepend=times[0]) != 0
    new[histories.offsets[:-1][lengths > 0]] = True
    firsts = np.maximum.accumulate(np.where(new, np.arange(len(positions)), 0))
    return np.asarray(positions[firsts], dtype=np.int64)


def visible_among(n_visible: Int64s, offsets: Int64s, known: Bools) -> Int64s:
    """Count visible events among the ``known`` [n_events] only, int64 [n_known].

    ``n_visible`` [n_events] counts each event's visible events, the first ones of its user, among all.
    """
    total = offsets_of(known)
    starts = np.repeat(offsets[:-1], np.diff(offsets))
    return np.asarray((total[starts + n_visible] - total[starts])[known], dtype=np.int64)
