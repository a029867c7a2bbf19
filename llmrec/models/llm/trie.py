"""A prefix tree of the catalog's tokenized texts: what may come next so that a real item comes out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from llmrec.arrays import Bools, Float64s, Int64s
from llmrec.data.histories import offsets_of, ranges
from llmrec.llm.ragged import RaggedTokens

ROOT = 0


@dataclass(frozen=True, eq=False)
class TitleTrie:
    """Nodes 0 (the root) to n - 1, a parent before its children; equal texts end in one leaf.

    ``tokens`` [n]: the token that leads to a node. ``first_child`` and ``n_children`` [n]: a node's children are
    numbered from ``first_child`` on. ``paths``: for each token of all texts, one after the other, the node that it
    leads to; those of item n are ``paths[offsets[n]:offsets[n + 1]]``.
    """

    tokens: Int64s
    first_child: Int64s
    n_children: Int64s
    paths: Int64s
    offsets: Int64s

    @classmethod
    def build(cls, texts: RaggedTokens) -> TitleTrie:
        """Build from all texts. The last token of a text must not occur earlier in it."""
        lengths = texts.lengths
        paths = np.empty(len(texts.tokens), dtype=np.int64)
        parents = np.zeros(len(lengths), dtype=np.int64)  # of each text, the node reached so far
        tokens_of, parents_of = [np.array([-1])], [np.array([-1])]
        size = 1
        for depth in range(int(lengths.max(initial=0))):
            longer = np.flatnonzero(lengths > depth)
            at = texts.offsets[longer] + depth
            # Sorted by parent first: the children of a node get consecutive numbers.
            edges, node = np.unique(np.stack([parents[longer], texts.tokens[at]]), axis=1, return_inverse=True)
            paths[at] = parents[longer] = size + node.reshape(-1)
            parents_of.append(edges[0])
            tokens_of.append(edges[1])
            size += edges.shape[1]
        parent = np.concatenate(parents_of)
        n_children = np.bincount(parent[1:], minlength=size)
        first_child = np.searchsorted(parent[1:], np.arange(size)) + 1
        return cls(np.concatenate(tokens_of), first_child, n_children, paths, texts.offsets)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def leaves(self) -> Int64s:
        """The leaf in which each item's text ends, [n_items]."""
        return self.paths[self.offsets[1:] - 1]

    @property
    def forks(self) -> Int64s:
        """The nodes where texts part, [n_forks], a parent before its children."""
        return np.flatnonzero(self.n_children > 1)

    @cached_property
    def ends(self) -> Int64s:
        """The first fork or leaf at or below each node, [n]: no text leaves the way there."""
        ends = np.where(self.n_children == 1, self.first_child, np.arange(len(self)))
        while not np.array_equal(further := ends[ends], ends):
            ends = further
        return ends

    @cached_property
    def depths(self) -> Int64s:
        """How many tokens lead to each node, [n]."""
        depths = np.zeros(len(self), dtype=np.int64)
        depths[self.paths] = ranges(np.ones_like(self.offsets[1:]), np.diff(self.offsets))
        return depths

    def tokens_to(self, nodes: Int64s, counts: Int64s) -> RaggedTokens:
        """Return the last so many tokens on the way to each node, at most ``depths`` of it."""
        of_path = ranges(self._on_paths[nodes] - counts + 1, counts)
        return RaggedTokens(self.tokens[self.paths[of_path]], offsets_of(counts))

    @cached_property
    def _on_paths(self) -> Int64s:
        """Where each node is in ``paths``, [n]; of the root, which is in none, one before the first."""
        where = np.full(len(self), -1, dtype=np.int64)
        where[self.paths] = np.arange(len(self.paths))
        return where

    def summed(self, values: Float64s) -> Float64s:
        """Add the values of nodes [n] up on the way to each item's leaf, [n_items]."""
        result: Float64s = np.add.reduceat(values[self.paths], self.offsets[:-1])
        return result

    def leads_to(self, allowed: Bools) -> Bools:
        """Tell which nodes have at least one allowed item (bool [n_items]) below them: bool [n]."""
        on_path = np.repeat(allowed, np.diff(self.offsets))
        reached = np.bincount(self.paths[on_path], minlength=len(self)) > 0
        reached[ROOT] = bool(allowed.any())
        return reached

    def children_of(self, nodes: Int64s) -> tuple[Int64s, Int64s]:
        """List all children of some nodes: for each child the index of its parent in ``nodes``, and the child."""
        counts = self.n_children[nodes]
        return np.repeat(np.arange(len(nodes)), counts), ranges(self.first_child[nodes], counts)

    def items_at(self, leaves: Int64s) -> tuple[Int64s, Int64s]:
        """List all items of some leaves: for each item the index of its leaf in ``leaves``, and its code."""
        ends = self.leaves
        order = np.argsort(ends, kind="stable")
        start, stop = (np.searchsorted(ends[order], leaves, side=side) for side in ("left", "right"))
        counts = stop - start
        return np.repeat(np.arange(len(leaves)), counts), order[ranges(start, counts)]
