"""The kinds of index, what each takes in memory, and which one fits how many vectors."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import psutil

from llmrec.errors import DataError

IndexKind = Literal["flat", "hnsw", "ivf-flat", "ivf-pq"]
KINDS: tuple[IndexKind, ...] = get_args(IndexKind)
# Up to so many vectors an exact search answers in milliseconds.
FLAT_UP_TO = 100_000
# Up to so many bytes of vectors, which any GPU holds, it compares all faster than a processor walks a graph.
GPU_BYTES = 6 * 2**30
# Lists of rows may take this share of the free memory.
SHARE = 0.5
# How many lists there are, in roots of the number of vectors: more of rows cost more to make than they save.
LISTS: dict[IndexKind, int] = {"ivf-flat": 4, "ivf-pq": 2}
# Links of each vector in the graph, twice as many on its lowest layer: of 16 and 32, these reach more recall.
LINKS = 32


class Choice(NamedTuple):
    """A kind of index and why it was chosen, in words; empty for a given one."""

    kind: IndexKind
    reason: str


def memory_bytes(kind: IndexKind, n: int, width: int, *, bytes_per_item: int) -> int:
    """Estimate what an index of n rows of ``width`` numbers takes in memory.

    ``ivf-pq`` leaves the rows on the disk; an id of 8 bytes and ``bytes_per_item`` of code stand for each. Of
    ``ivf-flat`` they are counted beside its lists, which hold them, too.
    """
    if kind == "flat":
        return 4 * n * width
    if kind == "hnsw":
        # One number more for each row, links as int32, and a level, an offset and a part of a higher layer.
        return n * (4 * (width + 1) + 4 * 2 * LINKS + 4 * LINKS // 16 + 12)
    if kind == "ivf-flat":
        return n * (4 * width + 4 * (width + 1) + 8) + 4 * n_lists(kind, n) * (width + 1)
    return n * (bytes_per_item + 8) + 4 * n_lists(kind, n) * (width + bytes_per_item)


def n_lists(kind: IndexKind, n: int) -> int:
    """Return into how many lists an index of a kind that has some divides n vectors."""
    return max(min(int(LISTS[kind] * n**0.5), n // 39), 1)


def choose(
    kind: str, n: int, width: int, *, bytes_per_item: int, free: int | None = None, gpu: bool = False
) -> Choice:
    """Return the kind of index for n rows: the given one, or for ``auto`` by their number and ``free`` memory.

    ``gpu``: whether a GPU can search them. Raises DataError for a kind that is none.
    """
    for known in KINDS:
        if kind == known:
            return Choice(known, "")
    if kind != "auto":
        raise DataError(f"there is no index of kind {kind!r}; there are auto, {', '.join(KINDS)}")
    if n <= FLAT_UP_TO:
        return Choice("flat", f"exact search is fast up to {FLAT_UP_TO:,} vectors")
    if gpu and 4 * n * width <= GPU_BYTES:
        return Choice("flat", "a GPU compares all vectors")
    free = psutil.virtual_memory().available if free is None else free
    needs = memory_bytes("ivf-flat", n, width, bytes_per_item=bytes_per_item)
    sizes = f"lists of them take {needs / 2**30:.2f} GiB of {free / 2**30:.2f} GiB of free memory"
    if needs <= SHARE * free:
        return Choice("ivf-flat", f"more than {FLAT_UP_TO:,} vectors, and {sizes}")
    return Choice("ivf-pq", f"{sizes}, more than {SHARE:.0%}")
