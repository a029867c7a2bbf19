"""Cut histories into windows, anew each epoch when it is reached, and plan the batches of a training."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from llmrec.arrays import Int64s
from llmrec.data import Sequences
from llmrec.prompting.budget import NewestCosts
from llmrec.training.batching import Batch, pack


class Plan:
    """All batches in order, by their number from 0. The same ``cut`` gives the same batches: resuming is exact.

    ``cut`` returns the batches of an epoch, at least one. ``relative_epoch``: how large one is, compared with an
    epoch of the training that this one goes on from.
    """

    def __init__(
        self, epochs: int, cut: Callable[[int], list[Batch]], *, relative_epoch: float | None = None
    ) -> None:
        self.epochs, self._cut, self.relative_epoch = epochs, cut, relative_epoch
        self._starts = [0]  # the number of each epoch's first batch, as far as they have been cut
        self._present: tuple[int, list[Batch]] | None = None

    @classmethod
    def of(cls, batches: list[Batch]) -> Plan:
        """Make a plan of batches that are there, by their epochs, which count from 0."""
        epochs = 1 + max(batch.epoch for batch in batches)
        return cls(epochs, lambda epoch: [batch for batch in batches if batch.epoch == epoch])

    def __len__(self) -> int:
        """Count all batches: every epoch is cut for it."""
        while len(self._starts) <= self.epochs:
            self.epoch(len(self._starts) - 1)
        return self._starts[self.epochs]

    def __iter__(self) -> Iterator[Batch]:
        for epoch in range(self.epochs):
            yield from self.epoch(epoch)

    def __getitem__(self, n: int) -> Batch:
        while self._starts[-1] <= n:
            if len(self._starts) > self.epochs:
                raise IndexError(n)
            self.epoch(len(self._starts) - 1)
        epoch = bisect_right(self._starts, n) - 1
        return self.epoch(epoch)[n - self._starts[epoch]]

    def at_most(self) -> int:
        """Bound the number of batches by the first epoch's: others differ by where their windows begin."""
        return self.epochs * (2 * len(self.epoch(0)) + 1)

    def ends_within(self, first: int, stop: int) -> bool:
        """Whether the epoch of batch ``first`` ends before batch ``stop``."""
        epoch = self[first].epoch
        return self._starts[epoch + 1] <= stop

    def ends_before(self, n: int) -> bool:
        """Whether there is no batch ``n`` and none after it."""
        try:
            self[n]
        except IndexError:
            return True
        return False

    def epoch(self, epoch: int) -> list[Batch]:
        """Return the batches of an epoch, which is cut for it."""
        if self._present is None or self._present[0] != epoch:
            self._present = epoch, self._cut(epoch)
        batches = self._present[1]
        if len(self._starts) == epoch + 1:
            self._starts.append(self._starts[-1] + len(batches))
        return batches


@dataclass(frozen=True, eq=False)
class Learned:
    """What an earlier training has had as targets: the first ``n_events`` [n_users] of each history.

    For each target that it has not had, ``replay`` of those that it had are trained on again; None: all of them.
    """

    n_events: Int64s
    replay: float | None

    def relative_epoch(self, lengths: Int64s) -> float:
        """Return how many targets an epoch has for each that the earlier one had, for histories of ``lengths``."""
        n_targets, n_old = (int(np.maximum(n - 1, 0).sum()) for n in (lengths, np.minimum(self.n_events, lengths)))
        n_new = n_targets - n_old
        wanted = n_targets if self.replay is None else min((1 + self.replay) * n_new, n_targets)
        return wanted / max(n_old, 1)

    def chosen(self, windows: Int64s, draw: np.random.Generator) -> Int64s:
        """Return those of windows (user, start, stop) that have a new target, and some drawn from the others.

        Old targets in windows that have a new one, too, are part of what is trained on again.
        """
        if self.replay is None:
            return windows
        users, starts, stops = windows.T
        n_new = np.clip(stops + 1 - np.maximum(self.n_events[users], starts + 1), 0, stops - starts)
        has_new = (n_new > 0) | (self.n_events[users] == 0)
        wanted = self.replay * n_new.sum() - (stops - starts - n_new)[has_new].sum()
        others = draw.permutation(np.flatnonzero(~has_new))
        n_targets = np.cumsum((stops - starts)[others])
        others = others[: int(np.searchsorted(n_targets, wanted)) + 1 if wanted > 0 else 0]
        rows = np.sort(np.concatenate([np.flatnonzero(has_new), others]))
        return np.asarray(windows[rows], dtype=np.int64)


def plan(
    sequences: Sequences,
    *,
    costs: Int64s | None = None,
    epochs: int,
    max_items: int,
    max_tokens: int,
    batch_tokens: int,
    overhead: int = 1,
    newest: NewestCosts | None = None,
    ahead: bool = False,
    learned: Learned | None = None,
    seed: int = 0,
) -> Plan:
    """Plan all batches of all epochs. The same arguments give the same plan: resuming is exact.

    ``costs`` [n_codes] is the number of positions each event takes (1 each by default); ``overhead`` what
    every window takes besides, ``newest`` what its newest events do. A window holds at most ``max_items`` events
    and ``max_tokens`` positions, a batch at most ``batch_tokens`` positions with its padding (but at least one
    window). Each epoch starts its windows at other events; within an epoch every event is a target exactly once.
    With ``ahead`` a window also has room for the target after its last event. ``learned``: only what is new to a
    model, and some of the rest, drawn anew for each epoch.
    """
    event_costs = np.ones(len(sequences.codes), dtype=np.int64) if costs is None else costs.astype(np.int64)
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(event_costs)])
    spare = int(event_costs.max(initial=0)) if ahead else 0
    newest = newest or NewestCosts(0, event_costs)
    room = max_tokens - overhead - spare - newest.most

    def cut(epoch: int) -> list[Batch]:
        draw = np.random.default_rng((seed, epoch))
        windows = np.array(list(_windows(sequences, total, max_items, room, draw)))
        windows = windows if learned is None else learned.chosen(windows, draw)
        starts, stops = (sequences.offsets[windows[:, 0]] + windows[:, n] for n in (1, 2))
        sizes = overhead + total[stops + ahead] - total[starts] + newest.of(starts, stops)
        return [Batch(epoch, windows[rows], sizes[rows]) for rows in pack(sizes, batch_tokens, draw)]

    relative = None if learned is None else learned.relative_epoch(sequences.lengths())
    return Plan(epochs, cut, relative_epoch=relative)


def _windows(
    sequences: Sequences, total: Int64s, max_items: int, max_tokens: int, draw: np.random.Generator
) -> Iterator[tuple[int, int, int]]:
    """Yield (user, start, stop) so that events 0..n-2 of each user are inputs once."""
    for user, length in enumerate(sequences.lengths()):
        base, last = int(sequences.offsets[user]), int(length) - 1
        if last < 0:
            continue
        start, most = 0, max_items
        if last > max_items:
            most = int(draw.integers(1, max_items + 1))  # a first window of random length moves all others
        while True:
            room = int(np.searchsorted(total, total[base + start] + max_tokens, side="right")) - 1
            stop = min(start + most, last, max(room - base, start + 1))
            yield user, start, max(stop, start) if last else 0
            start, most = stop, max_items
            if start >= last:
                break
