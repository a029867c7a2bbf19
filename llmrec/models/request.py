"""What is asked of every recommended list: its length, the rules for items, how unlike they must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.data import Catalog
from llmrec.errors import DataError
from llmrec.models.ranking import top_k
from llmrec.models.rerank import taken
from llmrec.retrieval.filters import Filter, ItemRules

# So many ranked items are looked at for a list of k, of a catalog with more: all where these do not fill it.
DEPTH, DEPTH_PER_ITEM = 1000, 20

# Ranks k items for rows of the histories: codes and scores [n, k].
Ranking = Callable[[Int64s, int], tuple[Int64s, Float32s]]


@dataclass(frozen=True, eq=False)
class Request:
    """Lists of ``k`` items under ``rules``; with ``vectors`` [n_items, dim] as unlike as ``diversity`` says."""

    k: int
    rules: ItemRules
    vectors: Float32s | None = None
    diversity: float = 0.0

    def lists(self, ranked: Ranking, n: int, n_items: int) -> tuple[Int64s, Float32s]:
        """Return n lists, codes and scores [n, k], -inf where nothing is left."""
        rows = np.arange(n)
        if not self.rules.caps and not self.diversity:
            return ranked(rows, self.k)
        depth = min(max(DEPTH_PER_ITEM * self.k, DEPTH), n_items)
        codes, scores = self._taken(*ranked(rows, depth))
        short = np.flatnonzero(np.isneginf(scores).any(axis=1))
        if depth < n_items and len(short):
            codes[short], scores[short] = self._taken(*ranked(short, n_items))
        return codes, scores

    def likest(self, likeness: Float32s, codes: Int64s, catalog: Catalog) -> tuple[Int64s, Float32s]:
        """Return the items most like each of ``codes`` [n], of likeness [n, n_items]; none is like itself."""
        scores = self.rules.applied(likeness)
        scores[np.arange(len(codes)), codes] = -np.inf

        def ranked(rows: Int64s, k: int) -> tuple[Int64s, Float32s]:
            return top_k(scores[rows], k, catalog.tie_order)

        return self.lists(ranked, len(codes), len(catalog))

    def _taken(self, codes: Int64s, scores: Float32s) -> tuple[Int64s, Float32s]:
        return taken(codes, scores, self.k, caps=self.rules.caps, vectors=self.vectors, diversity=self.diversity)


def check_diversity(diversity: float) -> float:
    """Return it. Raises DataError for other numbers than 0 to 1."""
    if isinstance(diversity, bool) or not isinstance(diversity, int | float) or not 0 <= diversity <= 1:
        raise DataError(f"diversity lies between 0 (the most relevant) and 1 (the least alike), got {diversity!r}")
    return float(diversity)


def require_filter(value: Filter) -> Filter:
    """Return a filter. Raises DataError for anything else."""
    if isinstance(value, Filter):
        return value
    raise DataError(f"a Filter is needed, not a {type(value).__name__}; write llmrec.Filter('price < 50')")
