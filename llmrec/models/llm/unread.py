"""What is read of an LLM recommender's run until its base model is needed: the vectors of items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from llmrec import artifact
from llmrec.arrays import Float32s
from llmrec.config import Recipe
from llmrec.data import Catalog
from llmrec.errors import ArtifactError
from llmrec.llm.bases import Base
from llmrec.models.llm.files import read_llm, read_vectors
from llmrec.models.llm.state import LLMState
from llmrec.retrieval.index_files import run_fingerprint


@dataclass(frozen=True, eq=False)
class UnreadState:
    """A run in ``folder``, trained on ``base``, whose item vectors [n_items, dim] have been read alone."""

    folder: Path
    fingerprint: str
    recipe: Recipe
    catalog: Catalog
    base: Base
    vectors: Float32s

    @classmethod
    def of(cls, folder: Path, recipe: Recipe, catalog: Catalog, base: Base) -> Self:
        """Read the vectors. Raises ArtifactError where they are damaged."""
        vectors = read_vectors(folder, recipe, n_items=len(catalog))
        # The working directory may be another one when the rest is read.
        return cls(folder.absolute(), run_fingerprint(folder), recipe, catalog, base, vectors)

    def read(self) -> LLMState:
        """Read the rest, the base model with it. Raises ArtifactError; also where another run lies there now."""
        with artifact.reading(self.folder):
            if run_fingerprint(self.folder) != self.fingerprint:
                raise ArtifactError(f"{self.folder} has changed since it was loaded; load it again")
            return read_llm(self.folder, self.recipe, self.catalog, base=self.base)
