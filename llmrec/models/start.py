"""Start the training of a recipe from a finished run of another: what both have, on the same items and events."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from llmrec.config import Recipe
from llmrec.data import Catalog, Split
from llmrec.errors import DataError, RecipeError
from llmrec.models.base import Recommender
from llmrec.models.learned_events import LearnedEvents
from llmrec.models.registry import load
from llmrec.models.run_files import BasePaths
from llmrec.models.trained_on import check_trained_on
from llmrec.retrieval.index_files import run_fingerprint


@dataclass(frozen=True, eq=False)
class Start:
    """A finished run and its model."""

    recorded_as: ClassVar[str] = "started"
    run: Path
    fingerprint: str
    model: Recommender

    @classmethod
    def of(cls, run: str | Path, *, base: BasePaths | None = None) -> Self:
        """Read a finished run. Raises ArtifactError as ``load`` does."""
        folder = Path(run)
        return cls(folder, run_fingerprint(folder), load(folder, base=base))

    def begin(self, model: Recommender, split: Split) -> Split:
        """Let an unfitted model start from this run; return its split, see ``Continuation.begin``.

        Raises RecipeError for models of other kinds or widths, DataError for a run of other items, and for one
        that may have seen what the split holds out.
        """
        if not isinstance(model, StartsFromRun) or not isinstance(self.model, type(model)):
            raise RecipeError(
                f"{model.recipe.name} ({model.kind}) cannot start from {self.run} ({self.model.kind}): only an "
                "LLM recipe starts from a run, and only from one of an LLM; fit it without --from"
            )
        here, there = model.recipe.head.dim, self.model.recipe.head.dim
        if here != there:
            raise RecipeError(
                f"{model.recipe.name} cannot start from {self.run}: head.dim is {here} here and {there} there; "
                "make them equal"
            )
        self._check_items(split.train.catalog, split.data.name)
        check_trained_on(split, str(self.run), self.model)
        model.start = self
        return LearnedEvents.of(self.run, self.model.histories).marked(split)

    def recorded(self) -> dict[str, Any]:
        """Return what the manifest of a run that started from this one says of it."""
        return {"run": self.run.name, "fingerprint": self.fingerprint}

    def _check_items(self, catalog: Catalog, name: str) -> None:
        differ = sorted(set(catalog.ids) ^ set(self.model.catalog.ids))
        if differ:
            raise DataError(
                f"{self.run} was trained on another catalog than that of {name}: {len(differ):,} items are in one "
                f"of them only, e.g. '{differ[0]}'; start from a run on the same items, or fit without --from"
            )


class StartsFromRun:
    """A recommender whose training can start from a run of another recipe: ``start``, set before ``fit``."""

    start: Start | None = None


def check_follow(recipe: Recipe) -> None:
    """Raise RecipeError where a recipe follows a run: there is none."""
    if recipe.train.follow_steps:
        raise RecipeError(
            f"train.follow_steps={recipe.train.follow_steps} follows the user states of a run: name it with "
            "--from RUN, or set train.follow_steps=0"
        )
