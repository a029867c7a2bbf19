"""ALS: matrix factorization of implicit feedback, by the ``implicit`` library.

Events that are no positive targets are left out, as if the user had not met the item then.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from llmrec.arrays import Float32s, Float64s, Int32s
from llmrec.data import Dataset, Fold, Sequences
from llmrec.models.arguments import HistoriesLike
from llmrec.models.base import Recommender
from llmrec.models.tensors import floats, read_tensors, write_tensors
from llmrec.runtime import extra


class ALSRecommender(Recommender):
    """Alternating least squares on who met what (Hu, Koren & Volinsky 2008).

    A history is folded in by solving for its user vector with the item factors fixed, so that people who were
    not there in training are served too. Order is ignored. Needs ``pip install 'llmrec[baselines]'`` to fit.

    >>> from llmrec.data import toy_films
    >>> ALSRecommender().fit(toy_films()).item_vectors().shape
    (20, 64)
    """

    kind = "als"
    reads_negatives = False
    sections = ("als",)

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        from scipy.sparse import csr_matrix
        from threadpoolctl import threadpool_limits

        als, shape = extra("implicit.als", "baselines"), self.recipe.als
        sequences = self.sequences_of(data.histories)
        cells = (sequences.users(), sequences.codes)
        met = csr_matrix(
            (np.ones(len(cells[0]), dtype=np.float32), cells), shape=(len(sequences), len(self.catalog))
        )
        met.sum_duplicates()
        met.data[:] = 1
        # One thread: the sums of several come in another order each time, and the same seed must give the same.
        with threadpool_limits(limits=1):
            model = als.AlternatingLeastSquares(
                factors=shape.factors,
                regularization=shape.regularization,
                alpha=shape.alpha,
                iterations=shape.iterations,
                random_state=self.recipe.seed,
                num_threads=1,
                use_gpu=False,
            )
            model.fit(met, show_progress=progress)
        self._take_factors(np.asarray(model.item_factors, dtype=np.float32))
        popularity = np.bincount(sequences.codes, minlength=len(self.catalog)).astype(np.float32)
        self._share = popularity / popularity.sum()

    def _score(self, sequences: Sequences) -> Float32s:
        users = self._users(sequences)
        # Popularity orders what an empty history, whose vector is zero, leaves equal.
        scores: Float32s = users @ self._items.T + 1e-6 * self._share
        return scores

    def _take_factors(self, factors: Float32s) -> None:
        """Take item factors over, with their Gram matrix Y'Y + r I, which every user vector is solved with."""
        items = factors.astype(np.float64)
        self._items = factors
        self._gram: Float64s = items.T @ items + self.recipe.als.regularization * np.eye(items.shape[1])

    def _users(self, sequences: Sequences) -> Float32s:
        vectors = np.empty((len(sequences), self._items.shape[1]), dtype=np.float32)
        for n in range(len(sequences)):
            vectors[n] = self._user(sequences[n])
        return vectors

    def _user(self, codes: Int32s) -> Float32s:
        """Solve (Y'Y + r I + a-weighted Y_u'Y_u) x = (1 + a)-weighted sum of Y_u, eq. 4 of the paper."""
        alpha, met = self.recipe.als.alpha, self._items[np.unique(codes)].astype(np.float64)
        if not len(met):
            return np.zeros(self._items.shape[1], dtype=np.float32)
        # The library's confidence is alpha for what was met and 1 for the rest.
        left = self._gram + (alpha - 1) * met.T @ met
        solved: Float32s = np.linalg.solve(left, alpha * met.sum(axis=0)).astype(np.float32)
        return solved

    def item_vectors(self) -> Float32s:
        """Return the item factors, float32 [n_items, factors]."""
        return self._items

    def embed_users(self, histories: HistoriesLike) -> Float32s:
        """Return each history's factors, float32 [n, factors]."""
        return self._users(self._sequences_like(histories))

    def _index_rows(self) -> tuple[Float32s, Float32s]:
        return self._items, 1e-6 * self._share

    def _save(self, folder: Path) -> None:
        write_tensors(folder / "model.safetensors", {"items": self._items, "share": self._share})

    def _load(self, folder: Path) -> None:
        n = len(self.catalog)
        expected = {"items": floats(n, None), "share": floats(n)}
        tensors = read_tensors(folder / "model.safetensors", expected)
        self._take_factors(tensors["items"])
        self._share = tensors["share"]
