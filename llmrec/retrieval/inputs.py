"""What comes in from a caller: vectors without NaN, a bias for each, ids that are there once."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from llmrec.arrays import Float32s
from llmrec.data.ids import id_column
from llmrec.errors import DataError


def finite(values: npt.ArrayLike, label: str) -> Float32s:
    """Return numbers as float32. Raises DataError for NaN, infinity, and what is no array of numbers."""
    try:
        array: Float32s = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{label}: {error}; give an array of numbers") from error
    if array.size and not (np.isfinite(array.max()) and np.isfinite(array.min())):
        where = np.argwhere(~np.isfinite(array))[0]
        raise DataError(f"{label}: row {where[0]} holds NaN or infinity; leave it out, or correct it")
    return array


def rows_with_bias(vectors: npt.ArrayLike, bias: npt.ArrayLike | None, noun: str) -> Float32s:
    """Return a copy of vectors with their biases as the last column. Raises DataError for what are none."""
    rows = finite(vectors, f"vectors of {noun}s")
    if rows.ndim != 2 or not rows.size:
        raise DataError(f"vectors of {noun}s are a table of n rows and dim columns, not of shape {rows.shape}")
    if bias is None:
        return rows.copy()  # what the caller changes later is not the index's
    biases = finite(bias, "biases")
    if biases.shape != (len(rows),):
        raise DataError(f"biases of shape {biases.shape} for {len(rows)} {noun}s; give one number for each")
    return np.concatenate([rows, biases[:, None]], axis=1)


def unique_ids(ids: Any, noun: str, *, n: int | None = None) -> pl.Series:
    """Return ids as a column, one for each of ``n`` vectors. Raises DataError for other ids, and for one twice."""
    names = id_column(list(ids) if isinstance(ids, Set) and n is None else ids, "id", label=f"{noun} ids")
    if n is not None and len(names) != n:
        raise DataError(f"{len(names)} {noun} ids for {n} vectors; give one for each")
    if names.has_nulls():
        raise DataError(f"{noun} ids: row {names.is_null().arg_max()} has none; give each {noun} one id")
    if not names.is_unique().all():
        raise DataError(f"{noun} '{names.filter(names.is_duplicated())[0]}' is there twice; give each one id")
    return names


def rows_of_queries(queries: npt.ArrayLike, dim: int, last: float | None) -> Float32s:
    """Return queries [n, dim] with ``last`` after their numbers, if that is one. Raises DataError for others."""
    rows = np.atleast_2d(finite(queries, "queries"))
    if rows.shape[1] != dim:
        raise DataError(f"a query has {rows.shape[1]} numbers, the vectors of this index {dim}")
    if last is None:
        return np.ascontiguousarray(rows)
    return np.concatenate([rows, np.full((len(rows), 1), last, dtype=np.float32)], axis=1)
