"""A recommender of your own: what came right after the last item, and how popular everything is."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

import llmrec
from llmrec.arrays import Float32s
from llmrec.config import Option
from llmrec.data import Dataset, Sequences, toy_films
from llmrec.models import Recommender, register
from llmrec.models.tensors import read_tensors, write_tensors
from llmrec.testing import RecommenderContract


class NextItem(Recommender):
    """Counts what follows each item; popularity answers the rest."""

    kind = "next-item"
    options: ClassVar[dict[str, Option]] = {"weight": 1.0}  # of what followed: --set options.weight=2

    def _fit(self, data: Dataset, **_: object) -> None:
        sequences = Sequences.encode(data.histories, self.catalog)  # item codes, one array for all users
        same_user = np.diff(sequences.users()) == 0
        before, after = sequences.codes[:-1][same_user], sequences.codes[1:][same_user]
        n = len(self.catalog)
        self._followed = np.zeros((n, n), dtype=np.float32)
        np.add.at(self._followed, (before, after), self.recipe.options["weight"])
        counts = np.bincount(sequences.codes, minlength=n)
        self._share: Float32s = (counts / len(sequences.codes)).astype(np.float32)

    def _score(self, sequences: Sequences) -> Float32s:
        scores: Float32s = np.tile(self._share, (len(sequences), 1))  # [n histories, n items]
        filled = np.flatnonzero(sequences.lengths())
        scores[filled] += self._followed[sequences.codes[sequences.offsets[1:][filled] - 1]]
        return scores

    def _save(self, folder: Path) -> None:
        write_tensors(folder / "model.safetensors", {"followed": self._followed, "share": self._share})

    def _load(self, folder: Path) -> None:
        tensors = read_tensors(folder / "model.safetensors")
        self._followed, self._share = tensors["followed"], tensors["share"]


class TestNextItem(RecommenderContract):
    """All that a recommender promises, tested by pytest: put this class into a test file."""

    good = 1.0  # NDCG@10 that it must reach on the toy films

    def make(self) -> Recommender:
        """Return a new one."""
        return NextItem()


def main() -> None:
    """Fit it by its recipe, as the shipped ones are; the run is loaded by its kind."""
    register("next-item", f"{NextItem.__module__}:NextItem")  # a package does it by an entry point
    data = toy_films()
    split = llmrec.Split.leave_last_out(data)
    recipe = llmrec.Recipe(name="mine", model="next-item")
    model = llmrec.fit(recipe, data, split, "runs/examples/next-item", resume=True, progress=False)
    print(llmrec.evaluate({"mine": model}, split).table.select("model", "kind", "ndcg@10"))
    print(type(llmrec.load("runs/examples/next-item")).__name__)


if __name__ == "__main__":
    main()
