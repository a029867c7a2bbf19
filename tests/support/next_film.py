"""A recommender as another package would define it: honest, small, and right on the toy films."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from llmrec.arrays import Float32s
from llmrec.config import Option
from llmrec.data import Dataset, Sequences
from llmrec.data.catalog_changes import CatalogChange
from llmrec.models import Recommender
from llmrec.models.tensors import read_tensors, write_tensors


class NextFilm(Recommender):
    """Counts what follows each film; popularity answers the rest."""

    kind = "next-film"
    options: ClassVar[dict[str, Option]] = {"weight": 1.0}  # of what followed, beside popularity

    def _fit(self, data: Dataset, **_: object) -> None:
        n = len(self.catalog)
        sequences = Sequences.encode(data.histories, self.catalog)
        same_user = np.diff(sequences.users()) == 0
        weight = self.recipe.options["weight"]
        self._followed = np.zeros((n, n), dtype=np.float32)
        np.add.at(self._followed, (sequences.codes[:-1][same_user], sequences.codes[1:][same_user]), weight)
        counts = np.bincount(sequences.codes, minlength=n)
        self._share: Float32s = (counts / len(sequences.codes)).astype(np.float32)

    def _score(self, sequences: Sequences) -> Float32s:
        scores: Float32s = np.tile(self._share, (len(sequences), 1))
        filled = np.flatnonzero(sequences.lengths())
        scores[filled] += self._followed[sequences.codes[sequences.offsets[1:][filled] - 1]]
        return scores

    def item_vectors(self) -> Float32s | None:
        """What stands on either side of an item, as often as it does."""
        vectors: Float32s = self._followed + self._followed.T
        return vectors

    def _save(self, folder: Path) -> None:
        write_tensors(folder / "model.safetensors", {"followed": self._followed, "share": self._share})

    def _load(self, folder: Path) -> None:
        tensors = read_tensors(folder / "model.safetensors")
        self._followed, self._share = tensors["followed"], tensors["share"]


class GrowingNextFilm(NextFilm):
    """Takes new items in, which nobody has met."""

    kind = "growing-next-film"

    def check_change(self, change: CatalogChange) -> None:
        """Refuse nothing."""

    def _take_change(self, change: CatalogChange) -> None:
        """Expect new items after nothing."""
        n = change.n_added
        self._followed = np.pad(self._followed, ((0, n), (0, n)))
        self._share = np.pad(self._share, (0, n))
