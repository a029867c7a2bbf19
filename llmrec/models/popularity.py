"""Popularity: the items most people met, whatever the history."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llmrec.data import Dataset, Fold, Sequences
from llmrec.data.columns import ITEM
from llmrec.models.base import Recommender, Scores
from llmrec.models.tensors import read_tensors, write_tensors


class PopularityRecommender(Recommender):
    """Score an item by its number of events in train."""

    kind = "popularity"

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        codes = self.catalog.codes(data.events[ITEM])
        self._counts = np.bincount(codes, minlength=len(self.catalog)).astype(np.float32)

    def _score(self, sequences: Sequences) -> Scores:
        return np.tile(self._counts, (len(sequences), 1))

    def _save(self, folder: Path) -> None:
        write_tensors(folder / "model.safetensors", {"counts": self._counts})

    def _load(self, folder: Path) -> None:
        self._counts = read_tensors(folder / "model.safetensors")["counts"]
