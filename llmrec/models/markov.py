"""First-order Markov: what people did right after the last item."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llmrec.data import Dataset, Fold, Sequences
from llmrec.models.base import Recommender, Scores
from llmrec.models.tensors import read_tensors, write_tensors


class MarkovRecommender(Recommender):
    """Count transitions between neighbouring items; back off to popularity, which also breaks ties.

    The score of item i after last item l is count(l -> i) / count(l) plus i's share of all events; after an
    empty history only the share is left.
    """

    kind = "markov"

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        from scipy.sparse import csr_array

        sequences = Sequences.encode(data.histories, self.catalog)
        n = len(self.catalog)
        follows = np.diff(sequences.users()) == 0
        first, second = sequences.codes[:-1][follows], sequences.codes[1:][follows]
        counts = csr_array((np.ones(len(first), dtype=np.float32), (first, second)), shape=(n, n))
        counts.sum_duplicates()
        self._indptr, self._indices, self._counts = counts.indptr, counts.indices, counts.data
        popularity = np.bincount(sequences.codes, minlength=n).astype(np.float32)
        self._share = popularity / popularity.sum()

    def _score(self, sequences: Sequences) -> Scores:
        scores = np.tile(self._share, (len(sequences), 1))
        for row in range(len(sequences)):
            items = sequences[row]
            if not len(items):
                continue
            part = slice(int(self._indptr[items[-1]]), int(self._indptr[items[-1] + 1]))
            counts = self._counts[part]
            if len(counts):
                scores[row, self._indices[part]] += counts / counts.sum()
        return scores

    def _save(self, folder: Path) -> None:
        tensors = {"indptr": self._indptr, "indices": self._indices, "counts": self._counts}
        write_tensors(folder / "model.safetensors", {**tensors, "share": self._share})

    def _load(self, folder: Path) -> None:
        tensors = read_tensors(folder / "model.safetensors")
        self._indptr, self._indices = tensors["indptr"], tensors["indices"]
        self._counts, self._share = tensors["counts"], tensors["share"]
