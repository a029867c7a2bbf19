"""Rank items by their edges to the history's in the item-transition graph, and by the similarity of their texts.

Events that are no positive targets are left out, of the graph and of the histories that are scored.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from llmrec.data import Dataset, Fold, Sequences
from llmrec.data.catalog_changes import CatalogChange
from llmrec.errors import DataError
from llmrec.models.baselines.item_weights import ItemWeightsRecommender
from llmrec.models.text_encodings import encode_catalog
from llmrec.prompting.item_text import changed_texts
from llmrec.prompting.prompt import Prompt
from llmrec.retrieval.exact import unit_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# So many pairs of items are compared at once, so that memory stays flat whatever the catalog.
PAIRS_AT_ONCE = 10_000_000


class TextGraphRecommender(ItemWeightsRecommender):
    """Score an item by its similarity to the items of the history, newer ones weighing more; nothing is trained.

    Similarity is the cosine of two items' texts plus ``counting.edge_weight`` times the weight of their edge, if
    one came right after the other in a training history, in either order: log(1 + count), by the largest of the
    item's edges. Each item keeps its ``counting.neighbors`` most similar; an event counts half as much as one
    ``counting.half_life`` events later. After TGH ("An Embarrassingly Simple Graph Heuristic", Han et al. 2026,
    arXiv 2605.07125), which scores so the first hop around the last item and fills the top ten with further hops.
    Popularity answers an empty history. Texts are encoded by ``text.encoder``.

    >>> from llmrec import Recipe
    >>> TextGraphRecommender(Recipe.of({"model": "text-graph", "counting": {"edge_weight": 5.0}}))
    TextGraphRecommender(not fitted)
    """

    kind = "text-graph"
    sections = ("text", "counting.edge_weight", "counting.neighbors", "counting.half_life")

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        vectors, self.metadata["encoder"] = encode_catalog(self.catalog, self.recipe.text)
        vectors -= vectors.mean(axis=0)  # what all texts of a catalog share says nothing
        vectors = unit_rows(vectors)
        sequences = self.sequences_of(data.histories)
        edges = transition_edges(sequences, len(self.catalog))
        options, n = self.recipe.counting, len(vectors)
        most = min(options.neighbors, n)
        indices, values, counts = [], [], []
        block = max(PAIRS_AT_ONCE // n, 1)
        for start in range(0, n, block):
            weights = vectors[start : start + block] @ vectors.T
            weights += np.float32(options.edge_weight) * edges[start : start + block].toarray()
            rows = np.arange(len(weights))
            weights[rows, start + rows] = 0
            best = np.argpartition(-weights, most - 1, axis=1)[:, :most]
            largest = np.take_along_axis(weights, best, axis=1)
            indices.append(best[largest > 0])
            values.append(largest[largest > 0])
            counts.append((largest > 0).sum(axis=1))
        offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.concatenate(counts))])
        self._take(offsets, np.concatenate(indices), np.concatenate(values))
        self._count(sequences)

    def check_change(self, change: CatalogChange) -> None:
        """Raise DataError also for another text: of texts it stores only which ones are alike."""
        super().check_change(change)
        settings = self.recipe.text
        rows = changed_texts(change, Prompt.load(settings.prompt, settings.language))[0]
        if len(rows):
            raise DataError(
                f"the text of '{change.catalog.ids[rows[0]]}' cannot change in a {self.kind} model, which stores "
                "no texts; leave its title and what else is in its text out, or fit the model again"
            )


def transition_edges(sequences: Sequences, n_items: int) -> csr_array:
    """Return the edges between items that follow each other, sparse [n_items, n_items]: each row's largest is 1.

    A cell is log(1 + how often the two were next to each other, in either order), by the row's largest.
    """
    from scipy.sparse import csr_array

    users, codes = sequences.users(), sequences.codes
    adjacent = (users[1:] == users[:-1]) & (codes[1:] != codes[:-1])
    first, second = codes[:-1][adjacent], codes[1:][adjacent]
    ends = np.concatenate([first, second]), np.concatenate([second, first])
    edges = csr_array((np.ones(len(ends[0]), dtype=np.float32), ends), shape=(n_items, n_items))
    edges.sum_duplicates()
    edges.data = np.log1p(edges.data)
    largest = np.maximum.reduceat(np.append(edges.data, 0), edges.indptr[:-1])
    edges.data /= np.repeat(largest, np.diff(edges.indptr)).astype(np.float32)
    return edges
