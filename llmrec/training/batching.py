"""Batches of windows: packed by a token budget, laid out as inputs and targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from llmrec.arrays import Float64s, Floatings, Int64s, Integers
from llmrec.data import Sequences

IGNORE = -100  # the target of a position without one, which adds no loss (torch's ignore_index)


@dataclass(frozen=True, eq=False)
class Batch:
    """Windows that are trained on together. ``windows`` is int64 [n, 3]: user, start, stop.

    A window reads the items start..stop-1 of a user; the targets are the items after each of them. ``sizes``
    [n]: the positions that each takes. Of a process's share, ``whole`` are all windows of the batch, and ``rows``
    which of them it has.
    """

    epoch: int
    windows: Int64s
    sizes: Int64s | None = None
    whole: Int64s | None = None
    rows: Int64s | None = None


def pack(sizes: Int64s, budget: int, draw: np.random.Generator) -> list[Int64s]:
    """Group windows of like size so that count times largest stays within ``budget``; shuffle the groups.

    A little noise in the sort keeps the same windows from always meeting.
    """
    order = np.argsort(sizes * draw.uniform(0.9, 1.1, len(sizes)), kind="stable")
    groups, start, largest = [], 0, 0
    for end, row in enumerate(order):
        grown = max(largest, int(sizes[row]))
        if end > start and grown * (end - start + 1) > budget:
            groups.append(order[start:end])
            start, grown = end, int(sizes[row])
        largest = grown
    groups.append(order[start:])
    return [groups[n] for n in draw.permutation(len(groups))]


def inputs_and_targets(sequences: Sequences, windows: Int64s) -> tuple[Int64s, Int64s]:
    """Return the inputs and the targets of a batch: int64 [n, length] and [n, length + 1].

    Inputs are item codes, right-padded with -1. Target t is the item after the first t inputs; target 0
    (of the empty context) counts only where the window starts the history. Others are ``IGNORE``.
    """
    longest = int((windows[:, 2] - windows[:, 1]).max())
    inputs = inputs_of(sequences.codes, sequences, windows, longest)
    targets = np.full((len(windows), longest + 1), IGNORE, dtype=np.int64)
    for row, (user, start, stop) in enumerate(windows):
        items = sequences[user]
        targets[row, 1 : stop - start + 1] = items[start + 1 : stop + 1]
        if start == 0:
            targets[row, 0] = items[0]
    return inputs, targets


def targets_of(values: Floatings, sequences: Sequences, windows: Int64s) -> Float64s:
    """Return values of events [n_codes, ...] in the layout of targets: [n, length + 1, ...], NaN where none is."""
    longest = int((windows[:, 2] - windows[:, 1]).max())
    targets = np.full((len(windows), longest + 1, *values.shape[1:]), np.nan)
    for row, (user, start, stop) in enumerate(windows):
        of_user = values[sequences.offsets[user] : sequences.offsets[user + 1]]
        targets[row, 1 : stop - start + 1] = of_user[start + 1 : stop + 1]
        if start == 0:
            targets[row, 0] = of_user[0]
    return targets


def context_positions_of(n_visible: Int64s, sequences: Sequences, windows: Int64s) -> Int64s:
    """Return each target's context position: the state of its window that has read just the events visible to it.

    ``n_visible`` [n_codes, ...]: how many of the user's events each target may be predicted from, -1: it is no
    target. The position is -1, too, where the window begins after all visible events.
    """
    counts = targets_of(n_visible.astype(np.float64), sequences, windows)
    starts = windows[:, 1].reshape(-1, *[1] * (counts.ndim - 1))
    counts = counts - starts
    covered = (counts >= 1) | ((starts == 0) & (counts == 0))
    return np.where(covered, np.nan_to_num(counts, nan=-1), -1).astype(np.int64)


def inputs_of(values: Integers, sequences: Sequences, windows: Int64s, longest: int, *, empty: int = -1) -> Int64s:
    """Return values of events [n_codes] as a batch reads them: int64 [n, longest], right-padded with ``empty``."""
    inputs = np.full((len(windows), longest), empty, dtype=np.int64)
    for row, (user, start, stop) in enumerate(windows):
        base = sequences.offsets[user]
        inputs[row, : stop - start] = values[base + start : base + stop]
    return inputs


def padded(sequences: Sequences, rows: Integers) -> Int64s:
    """Return these rows of sequences as one array: int64 [n, longest], right-padded with -1."""
    lengths = sequences.lengths()[rows]
    inputs = np.full((len(rows), int(lengths.max())), -1, dtype=np.int64)
    for n, row in enumerate(rows):
        inputs[n, : lengths[n]] = sequences[int(row)]
    return inputs


def padded_event_codes(sequences: Sequences, rows: Integers) -> Int64s | None:
    """Return event codes as ``padded`` returns items, right-padded with 0; None for sequences without them."""
    if sequences.event_codes is None:
        return None
    codes = padded(Sequences(sequences.event_codes, sequences.offsets), rows)
    return np.maximum(codes, 0)


def by_length(sizes: Int64s, budget: int) -> Iterator[Int64s]:
    """Yield groups of rows of like size whose padded total stays within ``budget`` (at least one row each)."""
    order = np.argsort(sizes, kind="stable")
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or sizes[order[end]] * (end - start + 1) > budget:
            yield order[start:end]
            start = end
