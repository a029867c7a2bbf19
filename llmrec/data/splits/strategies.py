"""Ways to cut a data set: each says for every event whether it is trained on, asked for, or neither."""

from __future__ import annotations

import numpy as np

from llmrec.arrays import Int8s, Int64s
from llmrec.data.columns import ITEM, TIME
from llmrec.data.dataset import Dataset
from llmrec.data.sessions import session_numbers
from llmrec.errors import DataError

# What an event is in a split. ASIDE: may stand in a history, but is neither trained on nor asked for.
TRAIN, VALID, TEST, CONTEXT_ONLY = 0, 1, 2, 3

# Shorter histories stay in train whole.
LEAST_EVENTS = 3


def last_k(data: Dataset, k: int) -> Int8s:
    """Each user's last k events are test, the k before validation; users with fewer than 2k + 1 stay in train."""
    if k < 1:
        raise DataError(f"k is {k}; hold out at least 1 event")
    starts, lengths = user_starts(data)
    held = np.repeat(lengths >= 2 * k + 1, lengths)
    if not held.any():
        raise DataError(
            f"{data.name}: no user has {2 * k + 1} events, so there is nothing to hold out; add events"
        )
    from_end = np.repeat(starts[1:], lengths) - 1 - np.arange(data.events.height)
    parts = np.full(data.events.height, TRAIN, dtype=np.int8)
    parts[held & (from_end < 2 * k)] = VALID
    parts[held & (from_end < k)] = TEST
    return parts


def by_time(data: Dataset, *, valid_from: int, test_from: int, until: int | None = None) -> Int8s:
    """Train before ``valid_from``, validation before ``test_from``, test after; from ``until`` on, aside.

    Times are Unix seconds; an event at a bound belongs to the later part. Raises DataError for a log without
    times and where a part would be empty.
    """
    times = _times(data, "a split by time")
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


def time_quantile(data: Dataset, share: float) -> int:
    """Return the time before which about ``share`` of all events lie."""
    times = np.sort(_times(data, "a split by time"))
    return int(times[min(int(len(times) * share), len(times) - 1)])


def window_bounds(data: Dataset, windows: int, *, share: float) -> list[int]:
    """Return windows + 2 times: each window's validation runs from one to the next, its test one further.

    Together they cover the last ``share`` of the log's time, in equal pieces.
    """
    times = _times(data, "rolling windows")
    first, last = int(times.min()), int(times.max()) + 1
    if windows < 1 or not 0 < share < 1:
        raise DataError(
            f"rolling windows need at least 1 window and a share between 0 and 1, got {windows}, {share}"
        )
    start = last - (last - first) * share
    return [round(start + (last - start) * n / (windows + 1)) for n in range(windows + 2)]


def new_users(data: Dataset, share: float, seed: int) -> Int8s:
    """Test users and as many validation users (a ``share`` of all each) are never trained on.

    Of such a user the last event is asked for and the others stand aside, as its history. Users with a
    single event are always trained on.
    """
    starts, lengths = user_starts(data)
    group = _groups(len(lengths), share, seed)
    group[lengths < 2] = TRAIN
    parts = np.repeat(np.where(group == TRAIN, TRAIN, CONTEXT_ONLY), lengths).astype(np.int8)
    parts[starts[1:] - 1] = group
    return _filled(parts, data, "user-disjoint")


def new_items(data: Dataset, share: float, seed: int) -> Int8s:
    """Events of test items and validation items (a ``share`` of all each) are never trained on, all others are.

    Training events may be later than an answer here: the question is what a model knows of an item it never
    saw, not what it knows of the future.
    """
    codes = data.catalog.codes(data.events[ITEM])
    return _filled(_groups(len(data.catalog), share, seed)[codes], data, "cold-items")


def last_session(data: Dataset, gap: int | None) -> Int8s:
    """Each user's last session is test and the one before validation; with fewer than 3 sessions all is train.

    Sessions are told as ``sessions.session_numbers`` does.
    """
    numbers = session_numbers(data, gap=gap)
    starts, lengths = user_starts(data)
    if not len(lengths):
        raise DataError(f"{data.name}: no event to split")
    sessions = numbers[starts[1:] - 1] + 1
    from_end = np.repeat(sessions, lengths) - 1 - numbers
    held = np.repeat(sessions >= LEAST_EVENTS, lengths)
    if not held.any():
        raise DataError(f"{data.name}: no user has {LEAST_EVENTS} sessions, so there is nothing to hold out")
    parts = np.full(data.events.height, TRAIN, dtype=np.int8)
    parts[held & (from_end == 1)] = VALID
    parts[held & (from_end == 0)] = TEST
    return parts


def user_starts(data: Dataset) -> tuple[Int64s, Int64s]:
    """Return where each user's events begin, and the end; and their number. Raises DataError if scattered."""
    users = data.ids[0]
    codes = users.codes.to_numpy()
    last = np.ones(len(codes), dtype=bool)
    np.not_equal(codes[1:], codes[:-1], out=last[:-1])
    ends = np.flatnonzero(last) + 1
    if len(ends) != len(users.names):
        raise DataError("the events of a user are not together; build the data with Dataset.from_tables")
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends])
    return starts, np.diff(starts)


def _times(data: Dataset, what: str) -> Int64s:
    if data.order_only:
        raise DataError(
            f"{data.name}: {what} needs times, and this log only has an order; use leave-last-out, leave-last-k, "
            "user-disjoint or cold-items"
        )
    if data.events.is_empty():
        raise DataError(f"{data.name}: no event to split")
    return data.events[TIME].to_numpy()


def _groups(n: int, share: float, seed: int) -> Int8s:
    """Put ``share`` of n things into test and as many into validation, by a seed that is the same everywhere."""
    if not 0 < share < 0.5:
        raise DataError(f"share is {share}; test and validation take as much each, so it must be in (0, 0.5)")
    groups = np.full(n, TRAIN, dtype=np.int8)
    order = np.argsort(np.random.Generator(np.random.PCG64(seed)).random(n), kind="stable")
    held = max(round(n * share), 1)
    groups[order[:held]] = TEST
    groups[order[held : 2 * held]] = VALID
    return groups


def _filled(parts: Int8s, data: Dataset, name: str) -> Int8s:
    """Raise DataError unless there is something to learn from and something to ask."""
    if not ((parts == TRAIN).any() and (parts == TEST).any()):
        raise DataError(
            f"{data.name}: too few events for {name}: train or test would be empty; use leave-last-out"
        )
    return parts
