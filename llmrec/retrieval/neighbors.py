"""What a search of an index returns."""

from __future__ import annotations

from typing import NamedTuple

from llmrec.arrays import Arrays, Float32s, Int64s


class Neighbors(NamedTuple):
    """The k best of each query, best first: ids, codes and scores, each [n, k].

    >>> from llmrec import ItemIndex
    >>> ItemIndex.build([[1.0, 0.0], [0.0, 1.0]], ["a", "b"]).search([[0.0, 1.0]], 1).ids.tolist()
    [['b']]
    """

    ids: Arrays
    codes: Int64s
    scores: Float32s
