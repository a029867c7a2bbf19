"""Take the best of ranked items one by one: at most so many of a group, and unlike those already taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from llmrec.arrays import Bools, Float32s, Int64s
from llmrec.retrieval.exact import unit_rows
from llmrec.retrieval.filters import Cap

# Only so many compete for a place in a diverse list: what is further down is not relevant.
DIVERSE, DIVERSE_PER_ITEM = 100, 10


def taken(
    codes: Int64s,
    scores: Float32s,
    k: int,
    *,
    caps: Sequence[Cap] = (),
    vectors: Float32s | None = None,
    diversity: float = 0.0,
) -> tuple[Int64s, Float32s]:
    """Take k of each row's ranked items, codes and scores [n, m], -inf for none: both [n, k].

    With ``diversity`` the next item maximizes ``(1 - diversity) * relevance - diversity * likeness``: its score,
    scaled to 0..1 within the row, and the highest cosine of ``vectors`` [n_items, dim] to an item already taken
    (maximal marginal relevance, Carbonell & Goldstein 1998). Scores stay what they were.
    """
    best, values = np.zeros((len(codes), k), dtype=np.int64), np.full((len(codes), k), -np.inf, dtype=np.float32)
    m = min(max(DIVERSE_PER_ITEM * k, DIVERSE), codes.shape[1]) if diversity and not caps else codes.shape[1]
    for row in range(len(codes)):
        chosen = _taken(codes[row, :m], scores[row, :m], k, caps, vectors, diversity)
        best[row, : len(chosen)], values[row, : len(chosen)] = codes[row, chosen], scores[row, chosen]
    return best, values


def _taken(
    codes: Int64s,
    scores: Float32s,
    k: int,
    caps: Sequence[Cap],
    vectors: Float32s | None,
    diversity: float,
) -> list[int]:
    """Return the positions of one row's items in the order in which they are taken."""
    left, relevance = np.isfinite(scores), _scaled(scores)
    unit = None if vectors is None or not diversity else unit_rows(vectors[codes])
    likeness = np.zeros(len(codes), dtype=np.float32)
    groups, chosen = [cap.groups[codes] for cap in caps], list[int]()
    while len(chosen) < k and left.any():
        values = np.where(left, (1 - diversity) * relevance - diversity * likeness, -np.inf)
        position = int(values.argmax())
        chosen.append(position)
        left[position] = False
        for cap, group in zip(caps, groups, strict=True):
            _close(left, group, chosen, cap.most)
        if unit is not None:
            cosines = unit @ unit[position]
            likeness = cosines if len(chosen) == 1 else np.maximum(likeness, cosines)
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
