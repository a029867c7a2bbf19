"""Top-k that breaks ties the same way every time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def top_k(
    scores: npt.NDArray[np.float32], k: int, tie_order: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the columns and values of each row's k highest scores, best first: both [n, min(k, n_items)].

    Equal scores come in ``tie_order``: each column's place in a fixed order, [n_items] or [n, n_items].
    """
    k = min(k, scores.shape[1])
    keys = _keys(scores, tie_order)
    best = np.argpartition(-keys, k - 1, axis=1)[:, :k] if k < scores.shape[1] else _all_columns(scores)
    order = np.argsort(-np.take_along_axis(keys, best, axis=1), axis=1)
    best = np.take_along_axis(best, order, axis=1)
    return best, np.take_along_axis(scores, best, axis=1)


def rank_found(
    codes: npt.NDArray[np.int64],
    values: npt.NDArray[np.float32],
    k: int,
    tie_order: npt.NDArray[np.int64],
    *,
    without: npt.NDArray[np.bool_],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Rank what an index found: item codes [n, m] and their scores, those in ``without`` [n, m] left out.

    Returns codes and scores as ``top_k`` does; left-out items come last, with a score of -inf.
    """
    kept = np.where(without, np.float32(-np.inf), values)
    best, scores = top_k(kept, k, tie_order[codes])
    return np.take_along_axis(codes, best, axis=1), scores


def _keys(scores: npt.NDArray[np.float32], tie_order: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Map (score, tie order) to distinct int64 keys that sort the same way.

    The bits of a float32, read as an integer, sort like the float once negative ones are flipped; the
    lower 31 bits hold the reversed tie order.
    """
    bits = (scores + np.float32(0.0)).view(np.int32).astype(np.int64)  # + 0.0 turns -0.0 into 0.0
    ordered = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return (ordered << 31) - tie_order


def _all_columns(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
