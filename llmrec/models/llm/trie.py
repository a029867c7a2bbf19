"""A tree of the catalog's token lines: what may come next so that a real item comes out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from llmrec.arrays import Bools, Int64s
from llmrec.llm.ragged import RaggedTokens

ROOT = 0


@dataclass(frozen=True, eq=False)
class TitleTrie:
    """Nodes 0 (the root) to n - 1, a parent before its children; lines that are the same end in one leaf.

    ``tokens`` [n]: the token that leads to a node. ``first`` and ``children`` [n]: a node's children are
    ``first[node] : first[node] + children[node]``. ``below`` [n]: how many items pass through a node.
    ``paths``: for each token of all lines, one after the other, the node that it leads to; those of item n
    are ``paths[offsets[n]:offsets[n + 1]]``.
    """

    tokens: Int64s
    first: Int64s
    children: Int64s
    below: Int64s
    paths: Int64s
    offsets: Int64s

    @classmethod
    def build(cls, lines: RaggedTokens) -> TitleTrie:
        """Build from the token ids of all lines. A line must end with a token found nowhere else in it."""
        tokens, offsets, lengths = lines.tokens, lines.offsets, lines.lengths()
        paths = np.empty(len(tokens), dtype=np.int64)
        parents = np.zeros(len(lengths), dtype=np.int64)
        led, above = [np.array([-1])], [np.array([-1])]
        size = 1
        for depth in range(int(lengths.max(initial=0))):
            longer = np.flatnonzero(lengths > depth)
            places = offsets[longer] + depth
            # Sorted by parent first: the children of a node get consecutive numbers.
            steps, node = np.unique(np.stack([parents[longer], tokens[places]]), axis=1, return_inverse=True)
            paths[places] = parents[longer] = size + node.reshape(-1)
            above.append(steps[0])
            led.append(steps[1])
            size += steps.shape[1]
        parent = np.concatenate(above)
        children = np.bincount(parent[1:], minlength=size)
        first = np.searchsorted(parent[1:], np.arange(size)) + 1
        below = np.bincount(paths, minlength=size)
        below[ROOT] = len(lengths)
        return cls(np.concatenate(led), first, children, below, paths, offsets)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def leaves(self) -> Int64s:
        """The leaf in which each item's line ends, [n_items]."""
        return self.paths[self.offsets[1:] - 1]

    def leading_to(self, allowed: Bools) -> Bools:
        """Tell which nodes have at least one allowed item (bool [n_items]) below them: bool [n]."""
        passing = np.repeat(allowed, np.diff(self.offsets))
        reached = np.bincount(self.paths[passing], minlength=len(self)) > 0
        reached[ROOT] = bool(allowed.any())
        return reached

    def steps(self, nodes: Int64s) -> tuple[Int64s, Int64s]:
        """List all children of some nodes: for each child the place of its parent in ``nodes``, and the child."""
        counts = self.children[nodes]
        which = np.repeat(np.arange(len(nodes)), counts)
        before = np.cumsum(counts) - counts
        return which, self.first[nodes][which] + np.arange(counts.sum()) - before[which]

    def items_at(self, leaves: Int64s) -> tuple[Int64s, Int64s]:
        """List all items of some leaves: for each item the place of its leaf in ``leaves``, and its code."""
        ends = self.leaves
        order = np.argsort(ends, kind="stable")
        start, stop = (np.searchsorted(ends[order], leaves, side=side) for side in ("left", "right"))
        counts = stop - start
        which = np.repeat(np.arange(len(leaves)), counts)
        before = np.cumsum(counts) - counts
        return which, order[start[which] + np.arange(counts.sum()) - before[which]]
