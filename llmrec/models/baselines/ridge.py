"""Ridge regressions between items: which items take part, what memory that takes, and the solution."""

from __future__ import annotations

import logging

import numpy as np

from llmrec.arrays import Float32s, Int32s, Int64s
from llmrec.errors import TrainingError

log = logging.getLogger(__name__)
WORTH_SAYING_GIB = 0.1


def regressed_items(events: Int32s, most: int, *, kind: str) -> Int64s:
    """Choose the ``most`` most frequent items of those with events, and log what memory the solution takes.

    ``events``: the item code of each. Returns codes, ascending.
    """
    counts = np.bincount(events)
    with_events = np.flatnonzero(counts)
    codes = np.sort(with_events[np.argsort(-counts[with_events], kind="stable")[:most]])
    gib = 2 * len(codes) ** 2 * 4 / 1024**3
    needs = f"{kind}: solving for {len(codes):,} items takes about {gib:.2g} GiB of memory"
    if len(codes) < len(with_events):
        log.warning(
            "%s; the other %s of %s items with events are ranked by popularity (linear.max_items=%d)",
            *(needs, f"{len(with_events) - len(codes):,}", f"{len(with_events):,}", most),
        )
    else:
        log.log(logging.INFO if gib >= WORTH_SAYING_GIB else logging.DEBUG, "%s", needs)
    return codes


def zeros(n: int, *, kind: str) -> Float32s:
    """Allocate a square matrix as LAPACK works on it. Raises TrainingError where memory is short."""
    try:
        return np.zeros((n, n), dtype=np.float32, order="F")
    except MemoryError as error:
        raise TrainingError(f"{kind}: {n:,} items are too many for the memory: lower linear.max_items") from error


def solve(gram: Float32s, targets: Float32s, regularization: float, *, kind: str) -> Float32s:
    """Return (gram + regularization I)^-1 targets; both are overwritten, of ``gram`` the lower half is read.

    Raises TrainingError where float32 is too coarse for so little regularization.
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    gram[np.diag_indices_from(gram)] += regularization
    try:
        factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
    except LinAlgError as error:
        raise TrainingError(
            f"{kind}: linear.regularization={regularization:g} leaves the regression without a solution: raise it"
        ) from error
    solution: Float32s = cho_solve(factor, targets, overwrite_b=True, check_finite=False)
    return solution
