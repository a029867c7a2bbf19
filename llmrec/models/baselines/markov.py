"""Markov chains: which items follow the last one, two or three items.

Events that are no positive targets are left out: an item follows the positive target before it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from llmrec.arrays import Float32s, Int32s, Int64s
from llmrec.data import Dataset, Fold, Sequences
from llmrec.data.histories import ranges
from llmrec.models.sparse_scores import SparseRecommender, SparseScores
from llmrec.models.tensors import (
    Tensors,
    floats,
    integers,
    read_tensors,
    require,
    require_rows,
    write_tensors,
)


class _Chain(NamedTuple):
    """The items that followed context c, ``following[starts[c]:starts[c + 1]]``, and each one's share of cases.

    ``contexts`` [n_contexts] are sorted keys of the last items, as ``_keys`` makes them.
    """

    contexts: Int64s
    starts: Int64s
    following: Int64s
    share: Float32s


class MarkovRecommender(SparseRecommender):
    """Count what follows the last items, up to ``counting.order`` of them; back off to fewer.

    The score of item i is the sum over m = 1..order of count(last m items -> i) / count(last m items), plus i's
    share of all events. A context never seen adds nothing, so that shorter ones decide; popularity breaks ties
    and answers an empty history.

    >>> from llmrec.data import Histories, toy_films
    >>> model = MarkovRecommender().fit(toy_films())
    >>> model.recommend(Histories.of({"ann": ["3", "4"]}), 3)["item_id"].to_list()
    ['5', '0', '1']
    """

    kind = "markov"
    sections = ("counting.order",)

    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        sequences = self.sequences_of(data.histories)
        n = len(self.catalog)
        self._chains = [_chain(sequences, length, n) for length in range(1, self.recipe.counting.order + 1)]
        popularity = np.bincount(sequences.codes, minlength=n).astype(np.float32)
        self._share = popularity / popularity.sum()

    def _sparse_scores(self, sequences: Sequences) -> SparseScores:
        matches = []
        for length, chain in enumerate(self._chains, 1):
            long = np.flatnonzero(sequences.lengths() >= length)
            keys = _keys(sequences.codes, sequences.offsets[1:][long], length, len(self.catalog))
            contexts = np.searchsorted(chain.contexts, keys)
            known = np.flatnonzero(contexts < len(chain.contexts))
            known = known[chain.contexts[contexts[known]] == keys[known]]
            starts, ends = chain.starts[contexts[known]], chain.starts[contexts[known] + 1]
            events = ranges(starts, ends - starts)
            matches.append((np.repeat(long[known], ends - starts), chain.following[events], chain.share[events]))
        rows, codes, shares = (np.concatenate(parts) for parts in zip(*matches, strict=True))
        scores, positions = SparseScores.of_pairs(self._share, len(sequences), rows, codes)
        np.add.at(scores.values, positions, shares)
        return scores

    def _likeness(self, codes: Int64s) -> Float32s:
        """Return in which share of cases each item came right after given ones, [n, n_items]; -inf for none."""
        chain, n = self._chains[0], len(self.catalog)
        likeness = np.full((len(codes), n), -np.inf, dtype=np.float32)
        for row, context in enumerate(np.searchsorted(chain.contexts, codes)):
            if context < len(chain.contexts) and chain.contexts[context] == codes[row]:
                part = slice(int(chain.starts[context]), int(chain.starts[context + 1]))
                likeness[row, chain.following[part]] = chain.share[part]
        return likeness

    def _save(self, folder: Path) -> None:
        tensors: Tensors = {"share": self._share}
        for length, chain in enumerate(self._chains, 1):
            tensors |= {f"{name}_{length}": array for name, array in chain._asdict().items()}
        write_tensors(folder / "model.safetensors", tensors)

    def _load(self, folder: Path) -> None:
        path, n, lengths = (
            folder / "model.safetensors",
            len(self.catalog),
            range(1, self.recipe.counting.order + 1),
        )
        kinds = dict.fromkeys(("contexts", "starts", "following"), integers(None)) | {"share": floats(None)}
        expected = {f"{name}_{length}": kind for length in lengths for name, kind in kinds.items()}
        tensors = read_tensors(path, {"share": floats(n), **expected})
        self._share = tensors["share"]
        self._chains = [_Chain(*(tensors[f"{name}_{length}"] for name in _Chain._fields)) for length in lengths]
        for chain in self._chains:
            require(len(chain.starts) == len(chain.contexts) + 1, path, "a context has no following items")
            require_rows(chain.starts, chain.following, chain.share, n_items=n, path=path)
            require(bool((np.diff(chain.contexts) > 0).all()), path, "the contexts are not in order")


def _chain(sequences: Sequences, length: int, n_items: int) -> _Chain:
    """Count which item follows each ``length`` items in a row of one user."""
    users = sequences.users()
    ends = np.arange(length, len(users))
    ends = ends[users[ends] == users[ends - length]]
    keys, following = _keys(sequences.codes, ends, length, n_items), sequences.codes[ends].astype(np.int64)
    order = np.lexsort((following, keys))
    keys, following = keys[order], following[order]
    first = np.ones(len(keys), dtype=bool)
    first[1:] = (np.diff(keys) != 0) | (np.diff(following) != 0)
    counts = np.diff(np.append(np.flatnonzero(first), len(keys)))
    contexts, starts = np.unique(keys[first], return_index=True)
    totals = np.add.reduceat(counts, starts) if len(starts) else counts
    bounds = np.append(starts, len(counts)).astype(np.int64)
    share = counts / np.repeat(totals, np.diff(bounds))
    return _Chain(contexts, bounds, following[first], share.astype(np.float32))


def _keys(codes: Int32s, ends: Int64s, length: int, n_items: int) -> Int64s:
    """Number the ``length`` items before each end: int64, distinct for catalogs of up to two million items."""
    keys = np.zeros(len(ends), dtype=np.int64)
    for back in range(length, 0, -1):
        keys = keys * n_items + codes[ends - back]
    return keys
