"""ALS against the library that trains it."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from support.letters import dataset, fitted, scored

from llmrec.errors import EnvironmentFault


def test_als_folds_a_history_in_as_the_library_does() -> None:
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    data = dataset(["abc", "abd", "cd", "bca"])
    model = fitted("als", data, als={"factors": 3, "alpha": 5.0, "regularization": 0.1, "iterations": 4})
    with threadpool_limits(limits=1):
        theirs = AlternatingLeastSquares(factors=3, alpha=5.0, regularization=0.1, num_threads=1, use_gpu=False)
        theirs.item_factors = model.item_vectors()
        user = theirs.recalculate_user(0, csr_matrix(np.array([[1.0, 0, 1.0, 0]], dtype=np.float32)))
    expected = model.item_vectors() @ user
    np.testing.assert_allclose(list(scored(model, "ca").values()), expected, atol=1e-4)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "implicit.als", None)
    with pytest.raises(EnvironmentFault, match=r"implicit is not installed: pip install 'llmrec\[baselines\]'"):
        fitted("als", dataset(["ab"]))
