"""Item vectors of a finished run, laid out for another model's catalog."""

from __future__ import annotations

import numpy as np

from llmrec.arrays import Float32s
from llmrec.data import Catalog
from llmrec.errors import RecipeError


def warm_vectors(run: str, catalog: Catalog, dim: int) -> Float32s:
    """Return float32 [n_items, dim]; an item that the run does not know gets zeros.

    Raises RecipeError if the run's model has no item vectors or they have another width, ArtifactError if
    it is not a run.
    """
    from llmrec.models.registry import load

    model = load(run)
    vectors = model.item_vectors()
    if vectors is None:
        raise RecipeError(f"head.warm_start={run}: a {model.kind} model has no item vectors; name a sasrec run")
    if vectors.shape[1] != dim:
        raise RecipeError(
            f"head.warm_start={run}: its item vectors have {vectors.shape[1]} dimensions, head.dim is {dim}; "
            "make them equal"
        )
    codes = model.catalog.codes(catalog.ids)
    found: Float32s = np.where((codes >= 0)[:, None], vectors[codes], 0).astype(np.float32)
    return found
