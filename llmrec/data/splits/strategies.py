"""The shipped split strategies: each says for every event whether it is trained on, held out, or context only."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Int8s, Int64s
from llmrec.data.cleaning.positives import positives_of
from llmrec.data.cleaning.read_times import read_times
from llmrec.data.cleaning.text_times import UnclearDates
from llmrec.data.cleaning.timestamps import unix_seconds
from llmrec.data.columns import ITEM, POSITIVE, USER
from llmrec.data.dataset import Dataset
from llmrec.data.histories import offsets_of
from llmrec.data.sessions import session_numbers
from llmrec.data.splits.named import split_strategy
from llmrec.data.splits.parts import (
    CONTEXT_ONLY,
    TEST,
    TRAIN,
    VALID,
    Time,
    n_positive_after,
    random_parts,
    require_train_and_test,
    times_of,
    user_starts,
)
from llmrec.errors import DataError

# Users with fewer sessions stay in train whole.
LEAST_SESSIONS = 3

HoldOutShare = Annotated[float, "share of them in test, and as much in validation"]
Seed = Annotated[int, "seed of the choice"]


@split_strategy("leave-last-out", held_out="each user's last event, and the one before for validation")
def leave_last_out(data: Dataset) -> Int8s:
    """Each user's last event is test and the one before validation; users with fewer than three stay in train.

    Here and below only positive targets count. Others between or after them are held out, too, and no answers.
    """
    return _last(data, 1)


@split_strategy("leave-last-k", held_out="the last 5, and 5 before")
def leave_last_k(data: Dataset, *, k: Annotated[int, "how many events"] = 5) -> Int8s:
    """Each user's last k events are test, the k before validation; users with fewer than 2k + 1 stay in train."""
    return _last(data, k)


@split_strategy("global-time", held_out="the last tenth of all events, and a tenth before", time_order="global")
def global_time(
    data: Dataset,
    *,
    valid_from: Annotated[Time, "start of validation, e.g. 2024-05-31"] = None,
    test_from: Annotated[Time, "start of the test"] = None,
) -> Int8s:
    """Train before ``valid_from``, validation before ``test_from``, test from there on."""
    first = _quantile(data, 0.8) if valid_from is None else _seconds(valid_from)
    second = _quantile(data, 0.9) if test_from is None else _seconds(test_from)
    return _by_time(data, first, second)


@split_strategy("rolling", held_out="a window of time, and the one before", several=True, time_order="global")
def rolling(
    data: Dataset,
    *,
    windows: Annotated[int, "how many splits"] = 3,
    share: Annotated[float, "share of the log's time that the windows cover"] = 0.4,
) -> list[Int8s]:
    """Split n trains on all before its window, validates on that and tests on the next; the rest is context only.

    The last ``share`` of the log's time is divided into windows + 1 equal pieces.
    """
    times = times_of(data, "rolling windows")
    start, end = int(times.min()), int(times.max()) + 1
    if windows < 1 or not 0 < share < 1:
        raise DataError(
            f"rolling windows need at least 1 window and a share between 0 and 1, got {windows}, {share}"
        )
    first = end - (end - start) * share
    bounds = [round(first + (end - first) * n / (windows + 1)) for n in range(windows + 2)]
    return [
        _by_time(data, *bounds[n : n + 2], until=None if n == windows - 1 else bounds[n + 2])
        for n in range(windows)
    ]


@split_strategy("user-disjoint", held_out="a tenth of the users, and a tenth more", disjoint=USER)
def user_disjoint(data: Dataset, *, share: HoldOutShare = 0.1, seed: Seed = 0) -> Int8s:
    """Test users, and as many validation users, are never trained on.

    Of such a user the last event is held out and the others are context only, its history. Users with a single
    event are always trained on.
    """
    _, lengths = user_starts(data)
    from_end, n_positive = n_positive_after(data)
    users = random_parts(len(lengths), share, seed)
    users[n_positive < 2] = TRAIN
    parts = np.repeat(np.where(users == TRAIN, TRAIN, CONTEXT_ONLY), lengths).astype(np.int8)
    last = positives_of(data.events).to_numpy() & (from_end == 0)
    parts[last] = np.repeat(users, lengths)[last]
    return require_train_and_test(parts, data, "user-disjoint")


@split_strategy("cold-items", held_out="a tenth of the items, and a tenth more", disjoint=ITEM, time_order="none")
def cold_items(data: Dataset, *, share: HoldOutShare = 0.1, seed: Seed = 0) -> Int8s:
    """Events of test items, and of as many validation items, are never trained on, all others are.

    Training events may be later than an answer here: the question is what a model knows of an item it never
    saw, not what it knows of the future.
    """
    items = random_parts(len(data.catalog), share, seed)
    return require_train_and_test(items[data.catalog.codes(data.events[ITEM])], data, "cold-items")


@split_strategy("per-session", held_out="each user's last session, and the one before")
def per_session(data: Dataset, *, gap: Annotated[int | None, "seconds of pause between sessions"] = None) -> Int8s:
    """Each user's last session is test and the one before validation; with fewer than 3 sessions all is train.

    Sessions are those of ``sessions.session_numbers``.
    """
    numbers = session_numbers(data, gap=gap)
    starts, lengths = user_starts(data)
    if not len(lengths):
        raise DataError(f"{data.name}: no event to split")
    users = np.repeat(np.arange(len(lengths)), lengths)
    new = (np.diff(numbers, prepend=-1) != 0) | (np.diff(users, prepend=-1) != 0)
    session = np.cumsum(new) - 1  # over all users
    chosen = np.zeros(int(new.sum()), dtype=bool)
    chosen[session[positives_of(data.events).to_numpy()]] = True
    total = offsets_of(chosen)
    last = session[starts[1:] - 1] + 1
    sessions = total[last] - total[session[starts[:-1]]]
    from_end = np.repeat(total[last], lengths) - total[session + 1]
    long = np.repeat(sessions >= LEAST_SESSIONS, lengths)
    if not long.any():
        raise DataError(f"{data.name}: no user has {LEAST_SESSIONS} sessions, so there is nothing to hold out")
    return _from_end(from_end, long, 1)


def _last(data: Dataset, k: int) -> Int8s:
    if k < 1:
        raise DataError(f"k is {k}; hold out at least 1 event")
    _, lengths = user_starts(data)
    from_end, n_positive = n_positive_after(data)
    long = np.repeat(n_positive >= 2 * k + 1, lengths)
    if not long.any():
        kind = "positive targets" if POSITIVE in data.events.columns else "events"
        raise DataError(
            f"{data.name}: no user has {2 * k + 1} {kind}, so there is nothing to hold out; add events"
        )
    return _from_end(from_end, long, k)


def _from_end(from_end: Int64s, long: Bools, k: int) -> Int8s:
    """Make the last k of each long history test and the k before validation. ``from_end``: 0 is the last."""
    parts = np.full(len(from_end), TRAIN, dtype=np.int8)
    parts[long & (from_end < 2 * k)] = VALID
    parts[long & (from_end < k)] = TEST
    return parts


def _by_time(data: Dataset, valid_from: float, test_from: float, *, until: float | None = None) -> Int8s:
    """Cut at two times; an event at a bound belongs to the later part, and from ``until`` on to none.

    Raises DataError for a log without times and where a part would be empty.
    """
    times = times_of(data, "a split by time")
    if not valid_from < test_from or (until is not None and not test_from < until):
        raise DataError(f"split times must rise, got {valid_from}, {test_from}, {until}")
    parts = np.digitize(times, [valid_from, test_from]).astype(np.int8)
    if until is not None:
        parts[times >= until] = CONTEXT_ONLY
    for part, name in ((TRAIN, "train"), (VALID, "validation"), (TEST, "test")):
        if not (parts == part).any():
            raise DataError(
                f"{data.name}: no event is in {name} with {valid_from} and {test_from}; its times run from "
                f"{int(times.min())} to {int(times.max())}"
            )
    return parts


def _quantile(data: Dataset, share: float) -> float:
    """Return the time before which about ``share`` of all events lie."""
    times = np.sort(times_of(data, "a split by time"))
    bound: float = times[min(int(len(times) * share), len(times) - 1)].item()
    return bound


def _seconds(time: float | str | date) -> float:
    """Read a time in any form that a log may have. A number is Unix seconds."""
    if not isinstance(time, str | date):
        return time
    try:
        seconds: float | None = unix_seconds(read_times(pl.Series("time", [time]), label="split").micros)[0]
    except UnclearDates:
        raise DataError(f"'{time}': day and month could be either way round; write it as 2024-05-31") from None
    except DataError:
        seconds = None
    if seconds is None:
        raise DataError(f"'{time}' is no time; write Unix seconds or ISO 8601, e.g. 2024-05-31T18:00Z")
    return seconds
