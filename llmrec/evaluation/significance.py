"""How far chance alone could move a mean over users: bootstrap intervals and paired tests."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Values = npt.NDArray[np.float64]

# At most so many numbers are held at once, so that memory stays flat whatever the number of users.
CELLS = 4_000_000


class Interval(BaseModel):
    """A mean over users and the range that holds it with the stated confidence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Whether the two ranges share a value."""
        return self.low <= other.high and other.low <= self.high

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(values: Values, *, samples: int = 2000, level: float = 0.95, seed: int = 0) -> Interval:
    """Percentile bootstrap of the mean over users (Efron & Tibshirani 1993, ch. 13).

    ``values`` [n_users], at least one. Drawing n users with replacement is a multinomial draw over the
    distinct values, of which a rank metric has few: the same distribution, without n draws per sample.
    """
    # Rounded: sums that differ in the last bit must not make values distinct.
    distinct, counts = np.unique(np.round(values, 12), return_counts=True)
    rng, shares = np.random.default_rng(seed), counts / len(values)
    step = max(1, CELLS // len(distinct))
    means = [
        rng.multinomial(len(values), shares, size=min(step, samples - start)) @ distinct / len(values)
        for start in range(0, samples, step)
    ]
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return Interval(mean=float(np.mean(values)), low=float(low), high=float(high))


def paired_p_value(one: Values, other: Values, *, samples: int = 9999, seed: int = 0) -> float:
    """Two-sided permutation test of equal means, paired by user: each user's difference may flip its sign.

    Both [n_users], in the same order. Exact where the flips can be counted out, else from ``samples`` of
    them, so that the smallest value it can return is 2 / (samples + 1). Good 2005, ch. 3.
    """
    from scipy.stats import permutation_test

    differences = one - other
    differences = differences[np.abs(differences) > 1e-12]  # users without one cannot move the mean
    if len(differences) < 2:
        return 1.0
    found = permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=samples,
        batch=max(1, CELLS // len(differences)),
        rng=np.random.default_rng(seed),
    )
    return float(found.pvalue)
