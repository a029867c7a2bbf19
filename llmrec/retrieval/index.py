"""Nearest items, or users, by id: built from vectors, saved, opened from a run without a model."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from llmrec.arrays import Arrays, Bools, Float32s, Int64s
from llmrec.data.ids import id_column, whole_number
from llmrec.errors import DataError
from llmrec.retrieval.exact import exact_search, unit_rows
from llmrec.retrieval.index_files import (
    IndexFacts,
    Noun,
    Opened,
    read_index,
    require_run,
    run_fingerprint,
    write_index,
)
from llmrec.retrieval.kinds import choose, memory_bytes
from llmrec.retrieval.searchers import MOST_EFFORT, SEARCHERS, Searcher

log = logging.getLogger(__name__)

# Recall is measured on so many queries; the effort of a graph is raised by half until it reaches this.
QUERIES, RECALL = 256, 0.98


class Neighbors(NamedTuple):
    """The k best rows of each query, best first: ids, their row numbers and scores, each [n, k]."""

    ids: Arrays
    codes: Int64s
    scores: Float32s


@dataclass(frozen=True, eq=False)
class VectorIndex:
    """Vectors with ids, searched by inner product plus a bias: ``score = query . vector + bias``.

    ``facts`` say of which kind it is and what recall it reached when it was built.
    """

    noun: ClassVar[Noun]
    searcher: Searcher
    names: pl.Series
    facts: IndexFacts

    @classmethod
    def build(
        cls,
        vectors: npt.ArrayLike,
        ids: Iterable[str | int],
        *,
        bias: npt.ArrayLike | None = None,
        kind: str = "auto",
        bytes_per_item: int = 16,
        queries: npt.ArrayLike | None = None,
        run: str | Path | None = None,
    ) -> Self:
        """Index vectors [n, dim] by their ids.

        ``kind``: ``flat`` (exact), ``hnsw`` (a graph), ``ivf-pq`` (``bytes_per_item`` in memory, the vectors on
        the disk once it is saved), or ``auto`` by their number and the free memory, which is logged. ``bias`` [n]
        is added to the scores. ``queries`` [m, dim]: on which recall is measured, by default sampled vectors of
        unit length. ``run``: the run whose vectors they are. Raises DataError for NaN, ids that are there twice,
        and other than n ids or biases.
        """
        began = time.monotonic()
        rows, names = _rows(vectors, bias, cls.noun), id_column(ids, f"{cls.noun}_id", label=f"{cls.noun} ids")
        if len(names) != len(rows):
            raise DataError(f"{len(names)} {cls.noun} ids for {len(rows)} vectors; give one for each")
        if not names.is_unique().all():
            raise DataError(
                f"{cls.noun} '{names.filter(names.is_duplicated())[0]}' is there twice; give each one id"
            )
        bytes_per_item = whole_number(bytes_per_item, label="bytes_per_item")
        chosen = choose(kind, *rows.shape, bytes_per_item=bytes_per_item)
        searcher = SEARCHERS[chosen.kind].build(rows, bytes_per_item=bytes_per_item)
        facts = IndexFacts(
            kind=chosen.kind,
            n=len(rows),
            dim=rows.shape[1] - (bias is not None),
            biased=bias is not None,
            bytes_per_item=bytes_per_item,
            memory_bytes=memory_bytes(chosen.kind, *rows.shape, bytes_per_item=bytes_per_item),
            run=None if run is None else run_fingerprint(run),
        )
        index = cls(searcher, names, facts)._measured(queries)
        index = replace(
            index, facts=index.facts.model_copy(update={"seconds": round(time.monotonic() - began, 2)})
        )
        why = f" ({chosen.reason})" if chosen.reason else ""
        log.info("%s index: %s%s; %s", cls.noun, chosen.kind, why, index)
        return index

    def search(
        self,
        queries: npt.ArrayLike,
        k: int = 10,
        *,
        allow: Iterable[str | int] | Bools | None = None,
        deny: Iterable[str | int] | Bools | None = None,
        biased: bool = True,
    ) -> Neighbors:
        """Return the k best of what is allowed and not denied, for each query [n, dim], or for one [dim].

        ``allow``, ``deny``: ids, or a boolean for each row. ``biased=False`` leaves the biases out. Raises
        DataError where fewer than k are left, for ids that the index lacks, and for queries of another width.
        """
        k, extended = whole_number(k, label="k"), self._extended(queries, biased)
        mask = self._mask(allow, deny)
        left = len(self) if mask is None else int(mask.sum())
        if k > left:
            raise DataError(
                f"k is {k}, but only {left} of {len(self)} {self.noun}s are left; ask for at most {left}"
            )
        codes, scores = self._nearest(extended, k, mask)
        return Neighbors(self._ids[codes], codes, scores)

    def __len__(self) -> int:
        return self.facts.n

    def __str__(self) -> str:
        facts, size = self.facts, self.facts.memory_bytes
        memory = f", {size / 2**20:,.1f} MiB of memory" if size else ""
        reached = "" if facts.recall_at_10 is None else f", recall@10 {facts.recall_at_10:.3f} of exact search"
        return f"{facts.n:,} {self.noun}s of {facts.dim} numbers{memory}{reached}"

    @property
    def ids(self) -> list[str]:
        """The ids, by row."""
        return self.names.to_list()

    @property
    def vectors(self) -> Float32s:
        """The vectors [n, dim], by row; they may lie on the disk."""
        return self.searcher.rows[:, : self.facts.dim]

    @property
    def biases(self) -> Float32s:
        """The biases [n], by row; zeros where there are none."""
        return self.searcher.rows[:, -1] if self.facts.biased else np.zeros(len(self), dtype=np.float32)

    def of_run(self, run: str | Path) -> Self:
        """Return the index as that of a run, which ``open(..., run=)`` then asks for."""
        return replace(self, facts=self.facts.model_copy(update={"run": run_fingerprint(run)}))

    def save(self, folder: str | Path) -> None:
        """Write a folder with a manifest, whole or not at all. Raises ArtifactError if it exists."""
        write_index(Path(folder), self.noun, Opened(self.searcher, self.names, self.facts))

    @classmethod
    def open(cls, folder: str | Path, *, run: str | Path | None = None, verify: bool = True) -> Self:
        """Open a saved index, mapped into memory, or the vectors that a run holds. No model is loaded.

        ``run``: the run that it must be of. Without ``verify`` the files are not hashed first. Raises
        ArtifactError for a folder that is neither, an index of something else, and a damaged one.
        """
        opened = read_index(Path(folder), cls.noun, verify=verify)
        if run is not None:
            require_run(opened.facts, Path(run), Path(folder))
        return cls(*opened)

    def _nearest(self, queries: Float32s, k: int, mask: Bools | None) -> tuple[Int64s, Float32s]:
        """Search; whatever an approximate search does not reach is searched exactly."""
        n_denied = 0 if mask is None else len(mask) - int(mask.sum())
        if mask is not None and 0 < n_denied <= self.searcher.few:
            codes, scores = self.searcher.nearest(queries, k + n_denied, None)
            scores = np.where((codes >= 0) & mask[codes], scores, np.float32(-np.inf))
            order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            codes, scores = np.take_along_axis(codes, order, axis=1), np.take_along_axis(scores, order, axis=1)
        else:
            codes, scores = self.searcher.nearest(queries, k, mask)
        short = np.flatnonzero((codes < 0).any(axis=1) | np.isneginf(scores).any(axis=1))
        if len(short):
            codes[short], scores[short] = exact_search(self.searcher.rows, queries[short], k, allowed=mask)
        return codes, scores

    def _extended(self, queries: npt.ArrayLike, biased: bool) -> Float32s:
        rows = np.atleast_2d(_finite(queries, "queries"))
        if rows.shape[1] != self.facts.dim:
            raise DataError(f"a query has {rows.shape[1]} numbers, the vectors of this index {self.facts.dim}")
        if not self.facts.biased:
            return np.ascontiguousarray(rows)
        last = np.full((len(rows), 1), float(biased), dtype=np.float32)
        return np.concatenate([rows, last], axis=1)

    def _mask(self, allow: Any, deny: Any) -> Bools | None:
        if allow is None and deny is None:
            return None
        mask = np.ones(len(self), dtype=bool) if allow is None else self._marked(allow, "allow")
        return mask if deny is None else mask & ~self._marked(deny, "deny")

    def _marked(self, chosen: Any, label: str) -> Bools:
        """Return a boolean for each row. Raises DataError for ids that the index lacks."""
        if isinstance(chosen, np.ndarray) and chosen.dtype == bool:
            if chosen.shape != (len(self),):
                raise DataError(
                    f"{label}: a boolean for each of {len(self)} {self.noun}s is meant, got {chosen.shape}"
                )
            return chosen
        ids = id_column(list(chosen) if isinstance(chosen, Set) else chosen, "id", label=label)
        mask = self.names.is_in(ids.implode()).to_numpy()
        if mask.sum() < ids.n_unique():
            unknown = ids.filter(~ids.is_in(self.names.implode()))
            if len(unknown):
                raise DataError(
                    f"{label}: {self.noun} '{unknown[0]}' is not in this index of {len(self)} {self.noun}s"
                )
        return mask

    @cached_property
    def _ids(self) -> Arrays:
        return np.array(self.ids, dtype=object)

    def _measured(self, queries: npt.ArrayLike | None) -> Self:
        """Measure recall@10 against exact search; search a graph the longer until it reaches ``RECALL``."""
        if self.facts.kind == "flat":
            return replace(self, facts=self.facts.model_copy(update={"recall_at_10": 1.0}))
        if queries is None:
            chosen = np.random.default_rng(0).choice(len(self), min(QUERIES, len(self)), replace=False)
            queries = unit_rows(np.asarray(self.vectors[np.sort(chosen)]))
        extended, k = self._extended(queries, True), min(10, len(self))
        _, exact = exact_search(self.searcher.rows, extended, k)
        index = self
        while True:
            recall = _recall(index._nearest(extended, k, None)[1], exact)
            effort = index.searcher.effort
            if recall >= RECALL or self.facts.kind != "hnsw" or effort >= MOST_EFFORT:
                break
            effort = min(effort * 3 // 2, MOST_EFFORT)
            index = replace(index, searcher=replace(index.searcher, effort=effort))
        reached = {"recall_at_10": round(recall, 4), "n_queries": len(extended), "effort": effort}
        return replace(index, facts=index.facts.model_copy(update=reached))


class ItemIndex(VectorIndex):
    """Items by their vectors and biases, for queries that are users' vectors, or items'. See ``VectorIndex``."""

    noun = "item"


class UserIndex(VectorIndex):
    """People by their vectors: who is like whom, and whom an item fits. See ``VectorIndex``."""

    noun = "user"


def _recall(scores: Float32s, exact: Float32s) -> float:
    """Return which share of results [n, k] score as high as the last exact one: of equal vectors any will do."""
    rounding = 1e-5 * np.abs(exact).max(axis=1, keepdims=True)
    return float((scores >= exact[:, -1:] - rounding).mean())


def _rows(vectors: npt.ArrayLike, bias: npt.ArrayLike | None, noun: Noun) -> Float32s:
    """Return vectors with their biases as the last column. Raises DataError for what are none."""
    rows = _finite(vectors, f"vectors of {noun}s")
    if rows.ndim != 2 or not rows.size:
        raise DataError(f"vectors of {noun}s are a table of n rows and dim columns, not of shape {rows.shape}")
    if bias is None:
        return rows.copy()  # what the caller changes later is not the index's
    biases = _finite(bias, "biases")
    if biases.shape != (len(rows),):
        raise DataError(f"biases of shape {biases.shape} for {len(rows)} {noun}s; give one number for each")
    return np.concatenate([rows, biases[:, None]], axis=1)


def _finite(values: npt.ArrayLike, label: str) -> Float32s:
    try:
        array: Float32s = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(f"{label}: {error}; give an array of numbers") from error
    if array.size and not (np.isfinite(array.max()) and np.isfinite(array.min())):
        where = np.argwhere(~np.isfinite(array))[0]
        raise DataError(f"{label}: row {where[0]} holds NaN or infinity; leave it out, or correct it")
    return array
