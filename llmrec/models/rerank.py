"""Take the best of ranked items one by one: at most so many of a group, and by what else a list shall be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from llmrec.arrays import Bools, Float32s, Float64s, Floatings, Int64s
from llmrec.retrieval.calibration import SMOOTHING, ItemShares
from llmrec.retrieval.exact import unit_rows
from llmrec.retrieval.filters import Cap

# Only so many compete for a rank in a diverse list: what is further down is not relevant.
DIVERSE, DIVERSE_PER_ITEM = 100, 10


class Penalty(Protocol):
    """What candidates [m] cost one list, given those that were taken."""

    def values(self) -> Floatings:
        """Return what each costs now, [m]."""

    def take(self, position: int) -> None:
        """Take the candidate at a position into the list."""


class Objective(Protocol):
    """What a list shall be besides relevant."""

    @property
    def weight(self) -> float:
        """How much that counts, 0 to 1."""

    def of(self, history: Int64s, codes: Int64s) -> Penalty:
        """Return what the candidates ``codes`` [m] cost the list of a history, given by its items' codes."""


@dataclass(frozen=True, eq=False)
class Unlikeness:
    """Unlike what is in the list: the highest cosine of ``vectors`` [n_items, dim] to an item already taken.

    Maximal marginal relevance, Carbonell & Goldstein 1998.
    """

    vectors: Float32s
    weight: float

    def of(self, history: Int64s, codes: Int64s) -> Penalty:
        """See ``Objective``."""
        return _Likeness(unit_rows(self.vectors[codes]))


class _Likeness:
    def __init__(self, unit: Float32s) -> None:
        self._unit = unit
        self._highest: Float32s | None = None

    def values(self) -> Floatings:
        return np.zeros(len(self._unit), dtype=np.float32) if self._highest is None else self._highest

    def take(self, position: int) -> None:
        cosines = self._unit @ self._unit[position]
        self._highest = cosines if self._highest is None else np.maximum(self._highest, cosines)


@dataclass(frozen=True, eq=False)
class Calibrated:
    """As mixed as the history: the divergence of the list's shares of values from the history's (Steck 2018)."""

    shares: ItemShares
    weight: float

    def of(self, history: Int64s, codes: Int64s) -> Penalty:
        """See ``Objective``. Values that the history lacks cost by the room that they take."""
        _, values, parts = self.shares.of(history)
        wanted, numbers = np.unique(values, return_inverse=True)
        target = np.bincount(numbers, weights=parts, minlength=len(wanted)) / max(parts.sum(), 1)
        positions, values, parts = self.shares.of(codes)
        n, here = len(codes), np.isin(values, wanted)
        table = np.zeros((n, len(wanted)))
        table[positions[here], np.searchsorted(wanted, values[here])] = parts[here]
        return _Divergence(target, table, np.isin(np.arange(n), positions))


class _Divergence:
    """``target`` [n_values] of the history, ``shares`` [m, n_values] of candidates, and which have any value."""

    def __init__(self, target: Float64s, shares: Float64s, valued: Bools) -> None:
        self._target, self._shares, self._valued = target, shares, valued.astype(np.float64)
        self._sums, self._n = np.zeros(len(target)), 0.0

    def values(self) -> Floatings:
        sizes = np.maximum(self._n + self._valued, 1)
        mixed = (1 - SMOOTHING) * (self._sums + self._shares) / sizes[:, None] + SMOOTHING * self._target
        return np.asarray((self._target * np.log(self._target / mixed)).sum(axis=1))

    def take(self, position: int) -> None:
        self._sums = self._sums + self._shares[position]
        self._n += self._valued[position]


def taken(
    codes: Int64s,
    scores: Float32s,
    k: int,
    *,
    caps: Sequence[Cap] = (),
    objective: Objective | None = None,
    histories: Sequence[Int64s] = (),
) -> tuple[Int64s, Float32s]:
    """Take k of each row's ranked items, codes and scores [n, m], -inf for none: both [n, k].

    With an ``objective`` the next item maximizes ``(1 - weight) * relevance - weight * penalty``: its score,
    scaled to 0..1 within the row, and what it costs the list. ``histories``: the codes of each row's items.
    Scores stay what they were.
    """
    best, values = np.zeros((len(codes), k), dtype=np.int64), np.full((len(codes), k), -np.inf, dtype=np.float32)
    bounded = objective is not None and not caps
    m = min(max(DIVERSE_PER_ITEM * k, DIVERSE), codes.shape[1]) if bounded else codes.shape[1]
    for row in range(len(codes)):
        penalty = None if objective is None else objective.of(histories[row], codes[row, :m])
        weight = 0.0 if objective is None else objective.weight
        chosen = _taken(codes[row, :m], scores[row, :m], k, caps, penalty, weight)
        best[row, : len(chosen)], values[row, : len(chosen)] = codes[row, chosen], scores[row, chosen]
    return best, values


def _taken(
    codes: Int64s, scores: Float32s, k: int, caps: Sequence[Cap], penalty: Penalty | None, weight: float
) -> list[int]:
    """Return the positions of one row's items in the order in which they are taken."""
    left, relevance = np.isfinite(scores), _scaled(scores)
    groups, chosen = [cap.groups[codes] for cap in caps], list[int]()
    while len(chosen) < k and left.any():
        gains = relevance if penalty is None else (1 - weight) * relevance - weight * penalty.values()
        position = int(np.where(left, gains, -np.inf).argmax())
        chosen.append(position)
        left[position] = False
        for cap, group in zip(caps, groups, strict=True):
            _close(left, group, chosen, cap.most)
        if penalty is not None:
            penalty.take(position)
    return chosen


def _close(left: Bools, group: Int64s, chosen: list[int], most: int) -> None:
    """Take the rest of a group out once ``most`` of it are chosen."""
    newest = group[chosen[-1]]
    if newest >= 0 and (group[chosen] == newest).sum() >= most:
        left[group == newest] = False


def _scaled(scores: Float32s) -> Float32s:
    """Scale scores to 0..1; those that are not finite become 0."""
    finite = np.isfinite(scores)
    scaled = np.zeros(len(scores), dtype=np.float32)
    least, most = scores.min(initial=np.inf, where=finite), scores.max(initial=-np.inf, where=finite)
    if least < most:
        scaled[finite] = (scores[finite] - least) / (most - least)
    return scaled
