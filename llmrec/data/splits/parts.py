"""The part that each event has in a split, and what strategies need to assign parts."""

from __future__ import annotations

from datetime import date

import numpy as np

from llmrec.arrays import Float64s, Int8s, Int64s
from llmrec.data.cleaning.positives import positives_of
from llmrec.data.columns import POSITIVE, TIME
from llmrec.data.dataset import Dataset
from llmrec.data.histories import offsets_of
from llmrec.data.ids import whole_number
from llmrec.errors import DataError

# CONTEXT_ONLY: may be in a history, but is neither trained on nor a target.
TRAIN, VALID, TEST, CONTEXT_ONLY = 0, 1, 2, 3
# Unix seconds, a date or datetime, or text that a log may have.
Time = int | float | str | date | None


def user_starts(data: Dataset) -> tuple[Int64s, Int64s]:
    """Return where each user's events begin, and the end, [n_users + 1]; and how many they are, [n_users].

    Raises DataError where a user's events are not together.
    """
    users = data.ids[0]
    codes = users.codes.to_numpy()
    last = np.ones(len(codes), dtype=bool)
    np.not_equal(codes[1:], codes[:-1], out=last[:-1])
    ends = np.flatnonzero(last) + 1
    if len(ends) != len(users.names):
        raise DataError("the events of a user are not together; build the data with Dataset.from_tables")
    starts = np.concatenate([np.zeros(1, dtype=np.int64), ends])
    return starts, np.diff(starts)


def n_positive_after(data: Dataset) -> tuple[Int64s, Int64s]:
    """Count the positive targets of each event's user that are right of it, [n_events], and those of each user."""
    starts, lengths = user_starts(data)
    if POSITIVE not in data.events.columns:
        return np.repeat(starts[1:], lengths) - 1 - np.arange(data.events.height), lengths
    total = offsets_of(positives_of(data.events).to_numpy())
    return np.repeat(total[starts[1:]], lengths) - total[1:], np.diff(total[starts])


def require_answers(parts: Int8s, data: Dataset, name: str) -> Int8s:
    """Return ``parts``. Raises DataError where no test event is a positive target."""
    if POSITIVE in data.events.columns and not positives_of(data.events).filter(parts == TEST).any():
        raise DataError(
            f"{data.name}: {name} holds out no positive target: {data.positive}; choose another split, or say "
            "which events are with --positive"
        )
    return parts


def times_of(data: Dataset, what: str) -> Int64s | Float64s:
    """Return each event's Unix seconds. Raises DataError, as ``what`` needs times, for a log of mere order."""
    if data.order_only:
        raise DataError(
            f"{data.name}: {what} needs times, and this log only has an order; use leave-last-out, leave-last-k, "
            "user-disjoint or cold-items"
        )
    if data.events.is_empty():
        raise DataError(f"{data.name}: no event to split")
    return data.events[TIME].to_numpy()


def random_parts(n: int, share: float, seed: int) -> Int8s:
    """Put ``share`` of n things into test and as many into validation, by a seed that is the same everywhere."""
    if not 0 < share < 0.5:
        raise DataError(f"share is {share}; test and validation take as much each, so it must be in (0, 0.5)")
    parts = np.full(n, TRAIN, dtype=np.int8)
    seed = whole_number(seed, label="seed", least=0)
    order = np.argsort(np.random.Generator(np.random.PCG64(seed)).random(n), kind="stable")
    size = max(round(n * share), 1)
    parts[order[:size]] = TEST
    parts[order[size : 2 * size]] = VALID
    return parts


def require_train_and_test(parts: Int8s, data: Dataset, name: str) -> Int8s:
    """Return ``parts``. Raises DataError unless there is something to train on and something to predict."""
    if not ((parts == TRAIN).any() and (parts == TEST).any()):
        raise DataError(
            f"{data.name}: too few events for {name}: train or test would be empty; use leave-last-out"
        )
    return parts
