"""What is read of an LLM recommender's run until its base model is needed: the vectors of items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

from llmrec import artifact
from llmrec.arrays import Float32s
from llmrec.config import Recipe
from llmrec.data import Catalog
from llmrec.data.catalog_changes import CatalogChange
from llmrec.errors import ArtifactError
from llmrec.llm.bases import Base
from llmrec.models.llm.files import read_llm, read_prompts, read_vectors
from llmrec.models.llm.item_changes import with_change
from llmrec.models.llm.state import LLMState


@dataclass(frozen=True, eq=False)
class UnreadState:
    """A run in ``folder``, trained on ``base``, whose item vectors [n_items, dim] have been read alone.

    ``change``: what became of the run's items since, to be made when the rest is read. ``only_scores``: nothing
    but scores will be asked for.
    """

    folder: Path
    fingerprint: str
    recipe: Recipe
    catalog: Catalog
    base: Base
    vectors: Float32s
    change: CatalogChange | None = None
    only_scores: bool = False

    @classmethod
    def of(cls, folder: Path, recipe: Recipe, catalog: Catalog, base: Base) -> Self:
        """Read the vectors. Raises ArtifactError where they are damaged."""
        vectors = read_vectors(folder, recipe, n_items=len(catalog))
        # The working directory may be another one when the rest is read.
        return cls(folder.absolute(), artifact.fingerprint(folder), recipe, catalog, base, vectors)

    def with_change(self, change: CatalogChange) -> Self:
        """Return it with another change to be made after the earlier ones."""
        return replace(self, change=change if self.change is None else self.change.then(change))

    @cached_property
    def texts_changed(self) -> bool:
        """Whether an item's text is new or another one, so that ``vectors`` are not all."""
        if self.change is None:
            return False
        prompts = read_prompts(self.folder / "prompt.yaml", self.recipe)
        return len(prompts.changed(self.change)) > 0

    def read(self) -> LLMState:
        """Read the rest, the base model with it. Raises ArtifactError; also where another run lies there now."""
        with artifact.reading(self.folder):
            if artifact.fingerprint(self.folder) != self.fingerprint:
                raise ArtifactError(f"{self.folder} has changed since it was loaded; load it again")
            only_scores = self.only_scores and not self.texts_changed
            state = read_llm(self.folder, self.recipe, self.catalog, base=self.base, only_scores=only_scores)
        return state if self.change is None else with_change(state, self.change, self.recipe)
