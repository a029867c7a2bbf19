"""What is asked of every recommended list: its length, the rules for items, how diverse it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from llmrec.arrays import Float32s, Int64s
from llmrec.data import Catalog, Sequences
from llmrec.errors import DataError
from llmrec.models.ranking import top_k
from llmrec.models.rerank import Objective, taken
from llmrec.retrieval.calibration import Calibration, Diversity
from llmrec.retrieval.filters import Filter, ItemRules

# So many ranked items are looked at for a list of k, of a catalog with more: all where these do not fill it.
DEPTH, DEPTH_PER_ITEM = 1000, 20

# Ranks k items for rows of the histories: codes and scores [n, k].
Ranking = Callable[[Int64s, int], tuple[Int64s, Float32s]]
# The positive targets of each history, which only some lists are compared with.
Past = Callable[[], Sequences]


@dataclass(frozen=True, eq=False)
class Request:
    """Lists of ``k`` items under ``rules``, by relevance and, where there is one, by an ``objective``."""

    k: int
    rules: ItemRules
    objective: Objective | None = None

    def lists(self, ranked: Ranking, n: int, n_items: int, past: Past | None = None) -> tuple[Int64s, Float32s]:
        """Return n lists, codes and scores [n, k], -inf where nothing is left."""
        rows = np.arange(n)
        if not self.rules.caps and self.objective is None:
            return ranked(rows, self.k)
        depth = min(max(DEPTH_PER_ITEM * self.k, DEPTH), n_items)
        histories = self._histories(past, n)
        codes, scores = self._taken(*ranked(rows, depth), histories)
        short = np.flatnonzero(np.isneginf(scores).any(axis=1))
        if depth < n_items and len(short):
            codes[short], scores[short] = self._taken(*ranked(short, n_items), [histories[row] for row in short])
        return codes, scores

    def likest(self, likeness: Float32s, codes: Int64s, catalog: Catalog) -> tuple[Int64s, Float32s]:
        """Return the items most like each of ``codes`` [n], of likeness [n, n_items]; none is like itself."""
        scores = self.rules.applied(likeness)
        scores[np.arange(len(codes)), codes] = -np.inf

        def ranked(rows: Int64s, k: int) -> tuple[Int64s, Float32s]:
            return top_k(scores[rows], k, catalog.tie_order)

        return self.lists(ranked, len(codes), len(catalog))

    def _histories(self, past: Past | None, n: int) -> list[Int64s]:
        """Return the items of n histories, none of any where nothing is compared with them."""
        if past is None or self.objective is None:
            return [np.empty(0, dtype=np.int64)] * n
        sequences = past()
        return [sequences[row].astype(np.int64) for row in range(n)]

    def _taken(self, codes: Int64s, scores: Float32s, histories: list[Int64s]) -> tuple[Int64s, Float32s]:
        return taken(codes, scores, self.k, caps=self.rules.caps, objective=self.objective, histories=histories)


def check_diversity(diversity: Diversity) -> Diversity:
    """Return it. Raises DataError for other numbers than 0 to 1, and what is no Calibration."""
    if isinstance(diversity, Calibration):
        return diversity
    is_number = isinstance(diversity, int | float | np.floating) and not isinstance(diversity, bool)
    if not is_number or not 0 <= diversity <= 1:
        raise DataError(f"diversity lies between 0 (the most relevant) and 1 (the least alike), got {diversity!r}")
    return float(diversity)


def require_bool(value: bool, label: str) -> bool:
    """Return True or False. Raises DataError for anything else: "no" would count as True."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise DataError(f"{label} is True or False, not {value!r}")


def require_filter(value: Filter) -> Filter:
    """Return a filter. Raises DataError for anything else."""
    if isinstance(value, Filter):
        return value
    raise DataError(f"a Filter is needed, not a {type(value).__name__}; write llmrec.Filter('price < 50')")
