"""Nearest items, or users, by id: built from vectors, saved, opened from a run without a model, changed in use."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Set
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from llmrec.arrays import Bools, Float32s
from llmrec.data.ids import id_column, whole_number
from llmrec.errors import DataError
from llmrec.retrieval.building import index_rows
from llmrec.retrieval.gpu import has_gpu
from llmrec.retrieval.growth import GrowingRows
from llmrec.retrieval.index_files import (
    IndexFacts,
    Noun,
    read_index,
    require_run,
    run_fingerprint,
    write_index,
)
from llmrec.retrieval.index_folder import IndexFolder
from llmrec.retrieval.inputs import rows_of_queries, rows_with_bias, unique_ids
from llmrec.retrieval.kinds import choose
from llmrec.retrieval.neighbors import Neighbors
from llmrec.retrieval.row_changes import Action, RowChange
from llmrec.retrieval.run_items import removed_items
from llmrec.retrieval.searcher import Searcher
from llmrec.retrieval.snapshot import Built, Snapshot

log = logging.getLogger(__name__)


class VectorIndex:
    """Vectors with ids, searched by inner product plus a bias: ``score = query . vector + bias``.

    ``facts`` say of which kind it is and what recall it reached when it was built. ``add``, ``update`` and
    ``remove`` change it while other threads search: a search sees a change whole or not at all, and every one that
    was made before it began. Codes number what is there now, in the order of ``ids``: added and updated ones come
    last, and who stands after a removed one moves up. Where others change it between two calls, use a ``copy()``.

    >>> from llmrec import ItemIndex
    >>> index = ItemIndex.build(np.eye(2), ["a", "b"])
    >>> index.add(np.ones((1, 2)), ["c"])
    >>> index.ids
    ['a', 'b', 'c']
    """

    noun: ClassVar[Noun]

    def __init__(self, rows: GrowingRows, *, fixed: bool = False) -> None:
        self._rows, self._fixed = rows, fixed

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

        ``kind``: ``flat`` (exact), ``ivf-flat`` (lists of near vectors), ``hnsw`` (a graph, which takes far longer
        to build), ``ivf-pq`` (``bytes_per_item`` in memory, the vectors on the disk once it is saved), or ``auto``
        by their number and the free memory, which is logged. ``bias`` [n]
        is added to the scores. ``queries`` [m, dim]: on which recall is measured, by default sampled vectors of
        unit length. ``run``: the run whose vectors they are. Raises DataError for NaN, ids that are there twice,
        and other than n ids or biases.
        """
        rows = rows_with_bias(vectors, bias, cls.noun)
        names = unique_ids(ids, cls.noun, n=len(rows))
        bytes_per_item = whole_number(bytes_per_item, label="bytes_per_item")
        chosen = choose(kind, *rows.shape, bytes_per_item=bytes_per_item, gpu=has_gpu())
        facts = IndexFacts(
            kind=chosen.kind,
            n=len(rows),
            dim=rows.shape[1] - (bias is not None),
            biased=bias is not None,
            bytes_per_item=bytes_per_item,
            run=None if run is None else run_fingerprint(run),
        )
        last = 1.0 if facts.biased else None
        measured_on = None if queries is None else rows_of_queries(queries, facts.dim, last)
        built, facts = index_rows(rows, names, facts, queries=measured_on)
        index = cls(GrowingRows(Snapshot.of(built), facts, cls.noun))
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

        ``allow``, ``deny``: ids, or a boolean for each code. ``biased=False`` leaves the biases out. Raises
        DataError where fewer than k are left, for ids that the index lacks, and for queries of another width.
        """
        k, snapshot, facts = whole_number(k, label="k"), self._rows.snapshot, self._rows.built_facts
        extended = rows_of_queries(queries, facts.dim, float(biased) if facts.biased else None)
        mask = self._mask(snapshot, allow, deny)
        left = len(snapshot) if mask is None else int(mask.sum())
        if k > left:
            raise DataError(
                f"k is {k}, but only {left} of {len(snapshot)} {self.noun}s are left; ask for at most {left}"
            )
        rows, scores = snapshot.nearest(extended, k, mask)
        return Neighbors(snapshot.ids(rows), snapshot.codes(rows), scores)

    def add(self, vectors: npt.ArrayLike, ids: Iterable[str | int], *, bias: npt.ArrayLike | None = None) -> None:
        """Add vectors [n, dim] by their ids, with a bias [n] where this index has some; all of them or none.

        They are searched at once: compared one by one beside the index until it pays to index them. Of an opened
        index they are on the disk when this returns, in ``NAME.changes`` beside its folder. Raises DataError for
        ids that are there, ids twice, NaN and vectors of another width, and for the index of a run;
        EnvironmentFault where the disk takes no more, WriteConflict where another process has changed the folder.
        """
        self._change("add", vectors, ids, bias)

    def update(
        self, vectors: npt.ArrayLike, ids: Iterable[str | int], *, bias: npt.ArrayLike | None = None
    ) -> None:
        """Give ids that are there other vectors [n, dim], and biases [n]; they come last then. See ``add``."""
        self._change("update", vectors, ids, bias)

    def remove(self, ids: Iterable[str | int]) -> None:
        """Remove ids, all of them or none: no search that begins after this returns them. See ``add``.

        Their vectors stay in the folder of an opened index, unread, until it is compacted.
        """
        self._require_changeable()
        self._rows.change(RowChange("remove", unique_ids(ids, self.noun).to_list()))

    def compact(self) -> None:
        """Index anew what is there, and write it to the folder of an opened index in place of what was there.

        No byte of what was removed stays there. Done by itself, and logged, when so much is removed, or added,
        that it pays. Raises as ``add``.
        """
        self._require_changeable()
        self._rows.compact()

    def copy(self) -> Self:
        """Return an index of what is there now, in memory: changes of one do not reach the other."""
        return type(self)(self._rows.copy())

    def __len__(self) -> int:
        return len(self._rows.snapshot)

    def __str__(self) -> str:
        facts, size = self.facts, self.facts.memory_bytes
        memory = f", {size / 2**20:,.1f} MiB of memory" if size else ""
        reached = "" if facts.recall_at_10 is None else f", recall@10 {facts.recall_at_10:.3f} of exact search"
        return f"{facts.n:,} {self.noun}s of {facts.dim} numbers{memory}{reached}"

    @property
    def facts(self) -> IndexFacts:
        """What it is: ``n`` and ``memory_bytes`` as they are now, recall and time as of the last building."""
        return self._rows.facts

    @property
    def searcher(self) -> Searcher:
        """What was built last; what has been added since is searched beside it."""
        return self._rows.snapshot.built.searcher

    @property
    def names(self) -> pl.Series:
        """The ids as a column, by code."""
        return self._rows.snapshot.names

    @property
    def ids(self) -> list[str]:
        """The ids, by code."""
        return self.names.to_list()

    @property
    def vectors(self) -> Float32s:
        """The vectors [n, dim], by code; they may lie on the disk. A copy where there are changes."""
        return self._rows.snapshot.rows()[:, : self.facts.dim]

    @property
    def biases(self) -> Float32s:
        """The biases [n], by code; zeros where there are none. A copy where there are changes."""
        return self._rows.snapshot.rows()[:, -1] if self.facts.biased else np.zeros(len(self), dtype=np.float32)

    def of_run(self, run: str | Path) -> Self:
        """Return a copy as the index of a run, which ``open(..., run=)`` then asks for."""
        rows = self._rows.copy()
        rows.built_facts = rows.built_facts.model_copy(update={"run": run_fingerprint(run)})
        return type(self)(rows)

    def save(self, folder: str | Path) -> None:
        """Write a folder with a manifest, whole or not at all. Raises ArtifactError if it exists.

        What was removed is not in it; what was added is indexed.
        """
        write_index(Path(folder), self.noun, self._rows.frozen())

    @classmethod
    def open(cls, folder: str | Path, *, run: str | Path | None = None, verify: bool = True) -> Self:
        """Open a saved index, mapped into memory, with its changes, or the vectors of a run, unchangeable.

        Of a run's items, removed ones are left out, and what is new since it was written is not in it. ``run``:
        the run that it must be of. No model is loaded. Without ``verify`` the files are not hashed first.
        Raises ArtifactError for a folder that is neither, an index of something else, a damaged one, and changes
        that are damaged or of another index.
        """
        opened = read_index(Path(folder), cls.noun, verify=verify)
        if run is not None:
            require_run(opened.facts, Path(run), Path(folder))
        changes = None if opened.folder is None else IndexFolder(opened.folder, opened, cls.noun)
        rows = GrowingRows(Snapshot.of(Built(opened.searcher, opened.ids)), opened.facts, cls.noun, folder=changes)
        rows.replay()
        removed = removed_items(Path(folder), opened.ids) if opened.folder is None and cls.noun == "item" else []
        if removed:
            rows.change(RowChange("remove", removed))
        return cls(rows, fixed=opened.folder is None)

    def _change(self, action: Action, vectors: npt.ArrayLike, ids: Iterable[str | int], bias: Any) -> None:
        self._require_changeable()
        if self.facts.biased != (bias is not None):
            has, remedy = ("biases", "give one for each") if self.facts.biased else ("no biases", "leave bias out")
            raise DataError(f"the {self.noun}s of this index have {has}; {remedy}")
        rows = rows_with_bias(vectors, bias, self.noun)
        self._rows.change(RowChange(action, unique_ids(ids, self.noun, n=len(rows)).to_list(), rows))

    def _require_changeable(self) -> None:
        if self._fixed:
            raise DataError(
                f"the {self.noun}s of a run are changed by its model; save this index, and open the folder"
            )

    def _mask(self, snapshot: Snapshot, allow: Any, deny: Any) -> Bools | None:
        if allow is None and deny is None:
            return None
        mask = np.ones(len(snapshot), dtype=bool) if allow is None else self._marked(snapshot, allow, "allow")
        return mask if deny is None else mask & ~self._marked(snapshot, deny, "deny")

    def _marked(self, snapshot: Snapshot, chosen: Any, label: str) -> Bools:
        """Return a boolean for each code. Raises DataError for ids that the index lacks."""
        if isinstance(chosen, np.ndarray) and chosen.dtype == bool:
            if chosen.shape != (len(snapshot),):
                raise DataError(
                    f"{label}: a boolean for each of {len(snapshot)} {self.noun}s is meant, got {chosen.shape}"
                )
            return chosen
        ids = id_column(list(chosen) if isinstance(chosen, Set) else chosen, "id", label=label)
        mask = snapshot.names.is_in(ids.implode()).to_numpy()
        if mask.sum() < ids.n_unique():
            unknown = ids.filter(~ids.is_in(snapshot.names.implode()))
            if len(unknown):
                raise DataError(
                    f"{label}: {self.noun} '{unknown[0]}' is not in this index of {len(snapshot)} {self.noun}s"
                )
        return mask


class ItemIndex(VectorIndex):
    """Items by their vectors and biases, for queries that are users' vectors, or items'. See ``VectorIndex``.

    >>> index = ItemIndex.build([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]], ["a", "b", "c"], bias=[0.0, 0.0, 0.1])
    >>> index.search([[0.0, 1.0]], 2).ids.tolist()
    [['b', 'c']]
    """

    noun = "item"


class UserIndex(VectorIndex):
    """People by their vectors: who is like whom, and whom an item fits. See ``VectorIndex``.

    >>> index = UserIndex.build([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], ["ann", "ben", "cem"])
    >>> index.search([[1.0, 0.0]], 2).ids.tolist()
    [['ann', 'ben']]
    """

    noun = "user"
