"""Vectors for other programs: as a table, as arrays, or as an index of FAISS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import polars as pl

from llmrec import artifact
from llmrec.arrays import Float32s
from llmrec.errors import DataError
from llmrec.retrieval.index import VectorIndex

Form = Literal["parquet", "numpy", "faiss"]
FORMS: tuple[Form, ...] = get_args(Form)
# How scores come of what is written: it stands in every export.
SCORE = "items are (vector, bias), users (vector, 1): the inner product of the two is the model's score"
TABLE, VECTORS, IDS = "vectors.parquet", "vectors.npy", "ids.npy"


def export_vectors(index: VectorIndex, out: str | Path, form: str) -> None:
    """Write the vectors of an index with their ids to a new folder, whole or not at all.

    ``parquet``: ``vectors.parquet`` with the id and ``vector``; ``numpy``: ``vectors.npy`` [n, dim + 1] and
    ``ids.npy``; both with the bias, or 1 for a user, as the last number, and the convention of scores in the
    manifest (and the table's metadata). ``faiss``: what ``ItemIndex.open`` reads; its ``index.faiss`` is FAISS's.
    Raises DataError for another form, ArtifactError if the folder exists.
    """
    if form not in FORMS:
        raise DataError(f"vectors cannot be exported to {form!r}; there are {', '.join(FORMS)}")
    if form == "faiss":
        index.save(out)
        return
    index = index.copy()  # what others change meanwhile is not half in it
    facts = {
        "score": SCORE,
        "last_number": "bias" if index.noun == "item" else "1",
        "n": len(index),
        "dim": index.facts.dim,
        "run": index.facts.run,
    }

    def fill(path: Path) -> None:
        if form == "parquet":
            _write_table(index, path / TABLE, facts)
            return
        np.save(path / VECTORS, scored_rows(index))
        np.save(path / IDS, np.array(index.ids, dtype=np.str_))

    artifact.write(Path(out), kind=f"{index.noun}-vectors", metadata={"export": facts}, fill=fill)


def scored_rows(index: VectorIndex) -> Float32s:
    """Return rows [n, dim + 1], of which those of items and users have the score as their inner product."""
    last = index.biases if index.noun == "item" else np.ones(len(index), dtype=np.float32)
    return np.concatenate([index.vectors, last[:, None]], axis=1, dtype=np.float32)


def _write_table(index: VectorIndex, path: Path, facts: dict[str, Any]) -> None:
    rows = scored_rows(index)
    vectors = pl.Series("vector", rows, dtype=pl.Array(pl.Float32, rows.shape[1]))
    table = pl.DataFrame([index.names.alias(f"{index.noun}_id"), vectors])
    table.write_parquet(path, metadata={"llmrec": json.dumps(facts)})
