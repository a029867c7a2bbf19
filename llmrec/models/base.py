"""The one interface of every recommender: write ``fit`` and ``score``; the rest is here, once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from llmrec import artifact
from llmrec.arrays import Float32s, Int64s
from llmrec.config import Option, Recipe
from llmrec.data import Catalog, Dataset, Fold, Histories, Sequences, Split
from llmrec.data.columns import ITEM, USER
from llmrec.data.ids import ids_of, whole_number
from llmrec.errors import ArtifactError, DataError, RecipeError
from llmrec.models.arguments import candidates_of, note_unknown_items, require_histories
from llmrec.models.card import model_card
from llmrec.models.ranking import rank_candidates, table_of, top_k
from llmrec.runtime import measured

# Scores of this many histories are held at once, so that memory stays flat whatever the number of users.
CHUNK = 512
# The folder in a run that holds its split.
SPLIT = "split"


class Recommender(ABC):
    """A model of what comes next.

    A subclass sets ``kind``, says what it reads of a recipe, and writes ``_fit``, ``_score``, ``_save`` and
    ``_load``. Histories, not users, are the argument: new users and what-if edits need no retraining.
    """

    kind: ClassVar[str]
    # What it reads of a recipe: sections ("train") or single fields of one ("history.events").
    sections: ClassVar[tuple[str, ...]] = ()
    # What it reads of the recipe's ``options``, with the defaults: for recommenders of other packages.
    options: ClassVar[Mapping[str, Option]] = {}
    catalog: Catalog
    histories: Histories  # what is known of each user, for answers by user id

    def __init__(self, recipe: Recipe | None = None) -> None:
        self.recipe = self.complete_recipe(recipe or Recipe(name=self.kind, model=self.kind))
        self.histories = Histories.of({})
        self.exclude_seen = True
        self.metadata: dict[str, Any] = {}
        self.train_log: list[dict[str, Any]] = []

    @classmethod
    def from_recipe(cls, recipe: Recipe, *, load: Callable[[str], Recommender]) -> Self:
        """Make an unfitted model; ``load`` reads other runs, for a model whose recipe names one to start from."""
        return cls(recipe)

    @classmethod
    def complete_recipe(cls, recipe: Recipe) -> Recipe:
        """Return a recipe with every field that the model reads. Raises RecipeError for others that are set."""
        cls.check_recipe(recipe)
        return recipe.complete(cls.sections, cls.options)

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raise RecipeError for a recipe of another model, or for values that do not go together."""
        if recipe.model != cls.kind:
            raise RecipeError(
                f"the recipe {recipe.name} is of model={recipe.model}, not {cls.kind}; llmrec.models.from_recipe "
                "makes the model that a recipe names"
            )

    def fit(
        self,
        data: Dataset,
        *,
        valid: Fold | None = None,
        work_dir: str | Path | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn from a training set and return self.

        ``valid`` is for early stopping only. With ``work_dir`` a trained model keeps its checkpoints there
        and continues from the last one found. ``progress`` draws a bar.
        """
        if data.events.is_empty():
            raise DataError(f"{data.name}: no events to learn from")
        self.catalog = data.catalog
        self.histories = data.histories
        self.exclude_seen = not data.repeats_are_normal
        self.metadata = {
            "seed": self.recipe.seed,
            "data": {"name": data.name, "fingerprint": data.fingerprint, "events": data.events.height},
            "exclude_seen": self.exclude_seen,
        }
        place = None if work_dir is None else Path(work_dir)
        with measured() as spent:
            self._fit(data, valid=valid, work_dir=place, progress=progress)
        told = self.metadata.get("cost", {})
        self.metadata["cost"] = {
            # A resumed run was trained before, too.
            "train_seconds": round(spent.seconds + told.pop("earlier_seconds", 0.0), 2),
            "peak_memory_gib": round(spent.peak_memory_gib, 2),
            "device": "cpu",
            **told,
        }
        return self

    def score(self, histories: Histories) -> Float32s:
        """Score every item for every history. Returns float32 [n_histories, n_items]; higher is better.

        Items of a history that are not in the catalog are passed over; an empty history gets an answer.
        """
        sequences = self.sequences_of(require_histories(histories))
        if not len(sequences):
            return np.zeros((0, len(self.catalog)), dtype=np.float32)
        return np.ascontiguousarray(self._score(sequences), dtype=np.float32)

    def recommend(
        self,
        histories: Histories,
        k: int = 10,
        *,
        exclude_seen: bool | None = None,
        candidates: Mapping[str, Sequence[str]] | None = None,
    ) -> pl.DataFrame:
        """Rank items for each history. Returns ``user_id, item_id, rank, score``, ranks from 1 without gaps.

        Items of the history are left out (unless ``exclude_seen=False``; by default as the training data
        suggests: kept where people often come back to the same item). ``candidates`` limits the items per
        user. Ties are broken by a fixed pseudo-random item order. A user may get fewer than ``k`` items
        when fewer are left. Items that the catalog lacks are counted and logged. Raises DataError for k < 1.
        """
        k = whole_number(k, label="k")
        note_unknown_items(histories, self._fitted_catalog())
        candidates = candidates_of(candidates, histories, self.catalog)
        exclude_seen = self.exclude_seen if exclude_seen is None else exclude_seen
        frames = [
            self._recommend_part(part, k, exclude_seen=exclude_seen, candidates=candidates)
            for part in _chunks(histories)
        ]
        return pl.concat(frames) if frames else table_of([], self.catalog, np.empty((0, 0)), np.empty((0, 0)))

    def similar_items(self, item_ids: list[str], k: int = 10) -> pl.DataFrame:
        """Find the items most like each given one. Returns ``item_id, similar_id, rank, score``.

        Raises DataError for an unknown id, k < 1, or where the model has no item vectors.
        """
        k, item_ids = whole_number(k, label="k"), ids_of(item_ids, label="item_ids")
        self._fitted_catalog()
        vectors = self.item_vectors()
        if vectors is None:
            raise DataError(
                f"a {self.kind} model has no item vectors; similar items need one such as llm, gru or text"
            )
        codes = np.array([self.catalog.code(item) for item in item_ids], dtype=np.int64)
        best, values = self._nearest(codes, k, vectors)
        table = table_of(item_ids, self.catalog, best, values)
        return table.rename({ITEM: "similar_id"}).rename({USER: ITEM})

    def item_vectors(self) -> Float32s | None:
        """Return float32 [n_items, dim], or None for a model without item vectors."""
        return None

    @property
    def narration_base(self) -> str | None:
        """The base LLM that words reasons for this model's recommendations; None for a model without one."""
        return None

    def prompt_example(self, histories: Histories) -> dict[str, Any] | None:
        """Show how the first of ``histories`` is written for an LLM; None for a model that reads no text."""
        return None

    def save(self, folder: str | Path, *, split: Split | None = None) -> None:
        """Write a complete run directory, or nothing. Raises ArtifactError if ``folder`` exists.

        ``split``, what it was trained on, is kept there too: who is what, not the data.
        """
        self._fitted_catalog()

        def fill(path: Path) -> None:
            (path / "recipe.yaml").write_text(self.recipe.to_yaml(), encoding="utf-8")
            items = self.catalog.table.with_columns(row=np.arange(len(self.catalog), dtype=np.int32))
            items.write_parquet(path / "items.parquet")
            known = self.histories
            users = pl.Series(USER, known.user_ids, dtype=pl.String).gather(
                np.repeat(np.arange(len(known)), known.lengths())
            )
            known.events.select(users, ITEM, *self._extra_columns()).write_parquet(path / "histories.parquet")
            (path / "README.md").write_text(model_card(self), encoding="utf-8")
            if split is not None:
                split.save(path / SPLIT)
            self._save(path)

        artifact.write(Path(folder), kind=self.kind, metadata=self.metadata, fill=fill)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a run directory. Raises ArtifactError if it is not a complete run of this kind and version."""
        path = Path(folder)
        manifest = artifact.read(path)
        if manifest.kind != cls.kind:
            raise ArtifactError(f"{path} holds a {manifest.kind} model, not {cls.kind}; use llmrec.load")
        with fitted_before(path):
            model = cls(Recipe.load(path / "recipe.yaml"))
        model.catalog = Catalog(pl.read_parquet(path / "items.parquet").drop("row"))
        model.histories = Histories.from_events(pl.read_parquet(path / "histories.parquet"))
        model.exclude_seen = bool(manifest.metadata["exclude_seen"])
        own = {"versions", "machine"}
        model.metadata = {key: value for key, value in manifest.metadata.items() if key not in own}
        model._load(path)
        return model

    def _nearest(self, codes: Int64s, k: int, vectors: Float32s) -> tuple[Int64s, Float32s]:
        """Find the k other items of highest cosine: codes and scores [n, k]."""
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = vectors / np.maximum(norms, 1e-12)
        scores = (unit[codes] @ unit.T).astype(np.float32)
        scores[np.arange(len(codes)), codes] = -np.inf
        return top_k(scores, k, self.catalog.tie_order)

    def _ranked(self, histories: Histories, k: int, *, exclude_seen: bool) -> tuple[Int64s, Float32s]:
        """Rank the whole catalog for each history: codes and scores [n, k], -inf where nothing is left."""
        scores = self.score(histories)
        if exclude_seen:
            seen = Sequences.encode(histories, self.catalog)
            scores[seen.users(), seen.codes] = -np.inf
        return top_k(scores, k, self.catalog.tie_order)

    def sequences_of(self, histories: Histories) -> Sequences:
        """Return histories as the model reads them."""
        return Sequences.encode(histories, self._fitted_catalog())

    def _training_sequences(self, data: Dataset) -> Sequences:
        """Return training histories, with their moments where the recipe's targets are guessed by these."""
        found = self.sequences_of(data.histories)
        wanted = self.recipe.train.targets
        if wanted == "event":
            return found
        return Sequences.strictly_before(found, data.histories, self.catalog, both=wanted == "both")

    def _extra_columns(self) -> list[str]:
        """The columns of the known histories' events that a run keeps besides the item."""
        return []

    @abstractmethod
    def _fit(self, data: Dataset, *, valid: Fold | None, work_dir: Path | None, progress: bool) -> None:
        """Learn. The catalog is set already."""

    @abstractmethod
    def _score(self, sequences: Sequences) -> Float32s:
        """Score every item for at least one sequence of known items: float32 [n, n_items], all finite."""

    @abstractmethod
    def _save(self, folder: Path) -> None:
        """Write the model's own files."""

    @abstractmethod
    def _load(self, folder: Path) -> None:
        """Read what ``_save`` wrote."""

    def _fitted_catalog(self) -> Catalog:
        if not hasattr(self, "catalog"):
            raise DataError(f"this {self.kind} model has not been fitted; call fit or llmrec.load first")
        return self.catalog

    def _recommend_part(
        self, histories: Histories, k: int, *, exclude_seen: bool, candidates: Mapping[str, list[str]] | None
    ) -> pl.DataFrame:
        if candidates is None:
            best, values = self._ranked(histories, k, exclude_seen=exclude_seen)
            return table_of(list(histories.user_ids), self.catalog, best, values)
        everything = len(self.catalog)
        ranked, values = self._ranked(histories, everything, exclude_seen=exclude_seen)
        for row, user in enumerate(histories.user_ids):
            allowed = self.catalog.codes(candidates.get(user, []))
            values[row, ~np.isin(ranked[row], allowed)] = -np.inf
        best, values = rank_candidates(ranked, values, k, self.catalog.tie_order, without=np.isneginf(values))
        return table_of(list(histories.user_ids), self.catalog, best, values)


@contextmanager
def fitted_before(run: Path) -> Iterator[None]:
    """Turn a RecipeError about the recipe that a run holds into one line about the run. Raises ArtifactError."""
    try:
        yield
    except RecipeError as error:
        raise ArtifactError(
            f"{run} was fitted by an earlier version of llmrec, whose recipes differ ({error}); fit it again: "
            "llmrec fit RECIPE --data DIR --out RUN"
        ) from error


def _chunks(histories: Histories) -> Iterator[Histories]:
    return (histories[start : start + CHUNK] for start in range(0, len(histories), CHUNK))
