"""What every search by FAISS offers, and reading its files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from llmrec.arrays import Bools, Float32s, Int64s
from llmrec.errors import ArtifactError
from llmrec.retrieval.kinds import IndexKind

# With so few denied, that many more results are searched and these left out: cheaper than a selection.
FEW_DENIED = 256
# So many numbers must the queries of an exact search hold together for it to be a product of matrices: FAISS's own
# bound, of release 1.15, is a thousand queries of 128, and 20 are faster so, 200 five times; see eval/LOG.md.
MATRIX_NUMBERS_OF_FAISS, MATRIX_NUMBERS = 128_000, 2_048


@dataclass(frozen=True, eq=False)
class RowMask:
    """Which rows a search may return, as numpy and as FAISS take it."""

    mask: Bools

    @cached_property
    def n(self) -> int:
        """How many they are."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def selector(self) -> Any:
        """What lets FAISS pass them; it refers to its bits, so that they live as long."""
        return untyped_faiss().IDSelectorBitmap(np.packbits(self.mask, bitorder="little"))


@dataclass(frozen=True, eq=False)
class Searcher(ABC):
    """Finds the rows [n, width] of the highest inner product. ``effort``: how much of the index a search reads."""

    kind: ClassVar[IndexKind]
    # The share of removed rows above which it is built anew.
    most_removed: ClassVar[float] = 0.25
    rows: Float32s
    faiss_index: Any
    effort: int

    @classmethod
    @abstractmethod
    def build(cls, rows: Float32s, *, bytes_per_item: int) -> Self:
        """Index rows. Raises DataError where they cannot be."""

    @classmethod
    @abstractmethod
    def open(cls, folder: Path, *, n: int, effort: int) -> Self:
        """Read what ``save`` wrote, mapped into memory. Raises ArtifactError."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the index, and the rows where it does not hold them."""

    @abstractmethod
    def nearest(self, queries: Float32s, k: int, allowed: RowMask | None) -> tuple[Int64s, Float32s]:
        """Return codes and scores [n, k] of the best rows that are allowed; -1 where none was reached."""

    @property
    @abstractmethod
    def most_added(self) -> int:
        """How many added rows may be compared one by one before it pays to index them."""

    @property
    def most_effort(self) -> int:
        """How much of the index a search may read for the sake of recall."""
        return self.effort

    def grown(self, rows: Float32s, left: Bools | None = None) -> Self | None:
        """Return a copy that holds these rows, too, after its others, of which only those that are ``left`` [n].

        What was learned of the rows is not learned anew. None where it must be, or rows cannot be left out.
        """
        return None

    def most_left_out(self, k: int, *, reused: bool) -> int:
        """Return up to how many denied rows it is cheaper to search that many more results and leave these out.

        ``reused``: their selection is made once for many searches.
        """
        return FEW_DENIED


@cache
def untyped_faiss() -> Any:
    """Import FAISS untyped: its stubs lack what its Python layer adds.

    From ``MATRIX_NUMBERS`` on it multiplies matrices, in all of the process, unless somebody has chosen otherwise.
    """
    import faiss

    variables: Any = faiss.cvar
    if variables.distance_compute_blas_threshold == MATRIX_NUMBERS_OF_FAISS:
        variables.distance_compute_blas_threshold = MATRIX_NUMBERS
    return faiss


def read_faiss(path: Path, n: int, name: str) -> Any:
    """Read a FAISS index. Raises ArtifactError for a damaged one, and one of another kind or number of rows."""
    import faiss

    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise ArtifactError(f"{path} is damaged: FAISS cannot read it; build the index again") from error
    if type(index).__name__ != name or index.ntotal != n:
        raise ArtifactError(f"{path} holds another kind of index, or of another size; build the index again")
    return index
