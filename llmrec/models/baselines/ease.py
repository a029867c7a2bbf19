"""EASE: weights between items by which each is best explained from the others, in closed form.

Events that are no positive targets are left out, of training and of the histories that are scored.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llmrec.data import Dataset, Fold
from llmrec.models.baselines import ridge
from llmrec.models.baselines.item_weights import ITEMS_AT_ONCE, ItemWeightsRecommender, incidence_of


class EASERecommender(ItemWeightsRecommender):
    """Regress every item on all others over the sets of items that users had (Steck 2019, "Embarrassingly Shallow
    Autoencoders for Sparse Data").

    B = -P / diag(P) with P = (X'X + ``linear.regularization`` I)^-1 and a zero diagonal; an item keeps its
    ``counting.neighbors`` largest weights. A history scores its items' rows of B, newer ones weighing more by
    ``counting.half_life``, which the paper does not. Only the ``linear.max_items`` most frequent items are
    regressed.

    >>> from llmrec.data import Histories, toy_films
    >>> model = EASERecommender().fit(toy_films())
    >>> model.recommend(Histories.of({"ann": ["3", "4"]}), 3)["item_id"].to_list()
    ['2', '1', '5']
    """

    kind = "ease"
    sections = ("linear", "counting.neighbors", "counting.half_life")

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        sequences, options = self.sequences_of(data.histories), self.recipe.linear
        codes = ridge.regressed_items(sequences.codes, options.max_items, kind=self.kind)
        incidence = incidence_of(sequences, len(self.catalog))[:, codes]
        gram, inverse = (ridge.zeros(len(codes), kind=self.kind) for _ in range(2))
        by_item = incidence.T.tocsr()
        for start in range(0, len(codes), ITEMS_AT_ONCE):
            part = slice(start, start + ITEMS_AT_ONCE)
            gram[part] = (by_item[part] @ incidence).toarray()
        np.fill_diagonal(inverse, 1)
        inverse = ridge.solve(gram, inverse, options.regularization, kind=self.kind)
        inverse /= -np.diag(inverse).copy()
        np.fill_diagonal(inverse, 0)
        self._take_largest(inverse, codes)
        self._count(sequences)
