"""Similar items by the vectors that a run holds: no model is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from llmrec import artifact
from llmrec.data import Catalog
from llmrec.data.ids import ids_of, whole_number
from llmrec.models.ranking import cosines, most_similar, similar_table
from llmrec.models.request import Request, require_filter
from llmrec.models.run_changes import changed_catalog
from llmrec.models.run_files import check_metadata, read_items
from llmrec.retrieval import Filter
from llmrec.retrieval.index_files import vectors_of_run


def similar_in_run(
    run: str | Path, item_ids: list[str], k: int = 10, *, filter: Filter | None = None
) -> tuple[pl.DataFrame, Catalog] | None:
    """Find the items most like given ones, as ``Ranker.similar_items`` does; return the table and the catalog.

    None for a run that holds no item vectors, or none of all its items since some came or changed: its model may
    have them, or says why it has none. Raises DataError for an unknown id, k < 1 and a filter that leaves nothing,
    ArtifactError for a run, or changes beside it, that are damaged.
    """
    path, k, item_ids = Path(run), whole_number(k, label="k"), ids_of(item_ids, label="item_ids")
    manifest = artifact.read(path)
    check_metadata(manifest.metadata, path)
    with artifact.reading(path):
        catalog = read_items(path)
        vectors = vectors_of_run(path, len(catalog))
    change = changed_catalog(catalog, path)
    if vectors is None or (change is not None and (change.n_added or len(change.updated))):
        return None
    catalog = catalog if change is None else change.catalog
    codes = np.array([catalog.code(item) for item in item_ids], dtype=np.int64)
    if filter is None:
        nearest = most_similar(vectors, codes, k, catalog.tie_order, without=catalog.removed)
    else:
        request = Request(k, require_filter(filter).resolve(catalog))
        nearest = request.likest(cosines(vectors, codes), codes, catalog)
    return similar_table(item_ids, catalog, *nearest), catalog
