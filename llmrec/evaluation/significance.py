"""How far a mean over users could move by chance: bootstrap intervals and paired tests."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel, ConfigDict

from llmrec.arrays import Float64s

# At most so many numbers are held at once, so that memory stays flat whatever the number of users.
CELLS = 4_000_000


class Interval(BaseModel):
    """A mean over users and the range that holds it with the stated confidence.

    >>> str(Interval(mean=0.124, low=0.107, high=0.141))
    '0.124 [0.107, 0.141]'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Whether the two ranges share a value."""
        return self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(values: Float64s, *, samples: int = 2000, level: float = 0.95, seed: int = 0) -> Interval:
    """Percentile bootstrap of the mean over users (Efron & Tibshirani 1993, ch. 13).

    ``values`` [n_users], at least one.

    >>> str(bootstrap(np.array([0.0, 1.0, 1.0, 1.0])))
    '0.750 [0.250, 1.000]'
    """
    rng, n = np.random.default_rng(seed), len(values)
    # Rounded: sums that differ in the last bit must not make values distinct.
    distinct, counts = np.unique(np.round(values, 12), return_counts=True)
    # A rank metric has few values: drawing how often each of them comes up, which is a multinomial draw, has
    # the same distribution as drawing n users, at a thousandth of the time.
    few = len(distinct) * 8 <= n
    means = []
    for size in _portions(samples, len(distinct) if few else n):
        if few:
            means.append(rng.multinomial(n, counts / n, size=size) @ distinct / n)
        else:
            means.append(values[rng.integers(n, size=(size, n))].mean(axis=1))
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Interval(mean=float(np.mean(values)), low=float(low), high=float(high))


def paired_p_value(one: Float64s, other: Float64s, *, samples: int = 9999, seed: int = 0) -> float:
    """Two-sided permutation test of equal means, paired by user: each user's difference may flip its sign.

    Both [n_users], in the same order. From ``samples`` random flips of all users (Good 2005, ch. 3); the
    smallest value it can return is 1 / (samples + 1). The same test as ``scipy.stats.permutation_test`` with
    ``permutation_type="samples"``, which takes minutes where this takes milliseconds: of c users who differ
    by the same amount, a binomial number flips.

    >>> paired_p_value(np.ones(20), np.zeros(20)) < 0.001
    True
    """
    differences = np.round(one - other, 12)
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    if not len(sizes):
        return 1.0
    rng, observed = np.random.default_rng(seed), abs(differences.sum()) - 1e-9
    extreme = 0
    for size in _portions(samples, len(sizes)):
        sums = (2 * rng.binomial(counts, 0.5, size=(size, len(sizes))) - counts) @ sizes
        extreme += int((np.abs(sums) >= observed).sum())
    return (extreme + 1) / (samples + 1)


def holm(p_values: list[float]) -> list[float]:
    """Correct p-values for being several, in their order (Holm 1979).

    Called a difference below 0.05, they mistake any of the true null hypotheses for one at most 5 % of the time.
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, number in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[number]))
        adjusted[number] = largest
    return adjusted


def _portions(samples: int, width: int) -> list[int]:
    """Cut so many samples of ``width`` numbers into portions that fit in memory."""
    step = max(1, CELLS // width)
    return [min(step, samples - start) for start in range(0, samples, step)]
