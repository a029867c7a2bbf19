"""Item vectors of a finished run, laid out for another model's catalog."""

from __future__ import annotations

import numpy as np

from llmrec.arrays import Float32s
from llmrec.data import Catalog
from llmrec.errors import RecipeError
from llmrec.models.base import Recommender


def vectors_for(catalog: Catalog, model: Recommender, *, dim: int, run: str) -> Float32s:
    """Return float32 [n_items, dim] by a fitted model of ``run``; an item that it does not know gets zeros.

    Raises RecipeError if the model has no item vectors or they have another width.
    """
    vectors = model.item_vectors()
    if vectors is None:
        raise RecipeError(f"head.warm_start={run}: {model.kind} models have no item vectors; name a sasrec run")
    if vectors.shape[1] != dim:
        raise RecipeError(
            f"head.warm_start={run}: its item vectors have {vectors.shape[1]} dimensions, head.dim is {dim}; "
            "make them equal"
        )
    codes = model.catalog.codes(catalog.ids)
    return np.asarray(np.where((codes >= 0)[:, None], vectors[codes], 0), dtype=np.float32)
