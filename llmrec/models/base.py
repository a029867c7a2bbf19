"""A recommender: a ranker that is made by a recipe, fitted, saved and loaded."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

import numpy as np

from llmrec import artifact
from llmrec.arrays import Float32s
from llmrec.config import Option, Recipe
from llmrec.data import Dataset, Fold, Histories, Sequences, Split
from llmrec.errors import ArtifactError, DataError, RecipeError
from llmrec.models.arguments import HistoriesLike, read_as_histories, training_part
from llmrec.models.card import model_card
from llmrec.models.changes import CHANGING, Changeable
from llmrec.models.ranker import STEADY, Seeded, no_user_vectors
from llmrec.models.ranking import finite
from llmrec.models.run_changes import make_changes
from llmrec.models.run_files import (
    BasePaths,
    check_metadata,
    fitted_before,
    paths_of,
    read_histories,
    read_items,
    write_histories,
    write_items,
)
from llmrec.models.score_vectors import ScoreVectors, score_vectors
from llmrec.models.text_encodings import with_absolute_text
from llmrec.retrieval.flat import INDEX, FlatIndex
from llmrec.retrieval.run_items import require_no_changes
from llmrec.runtime import measured
from llmrec.training import distributed
from llmrec.training.encoding_bar import encoding_shown

if TYPE_CHECKING:
    from llmrec.retrieval.index import ItemIndex, UserIndex


class Recommender(Changeable):
    """A ranker that learns: made by a recipe, fitted, saved as a run and loaded.

    A subclass sets ``kind``, says what it reads of a recipe, and writes ``_fit``, ``_score``, ``_save`` and
    ``_load``.

    >>> from llmrec.data import Histories, toy_films
    >>> from llmrec.models import MarkovRecommender
    >>> model = MarkovRecommender().fit(toy_films())
    >>> model.similar_items(["3"], 2)["similar_id"].to_list()
    ['4']
    """

    # What it reads of a recipe: single fields ("history.events"), or a section of which it reads all ("train").
    sections: ClassVar[tuple[str, ...]] = ()
    # What it reads of the recipe's ``options``, with the defaults: for recommenders of other packages.
    options: ClassVar[Mapping[str, Option]] = {}
    # Whether it reads events that are no positive targets (nobody trains on them as the next item); a model that
    # counts leaves them out, of training and of the histories that it scores.
    reads_negatives: ClassVar[bool] = True
    # Whether scores are log-probabilities but for a number for each history, as those of a softmax are.
    scores_are_logits: ClassVar[bool] = False
    train_log: list[dict[str, Any]] = []  # noqa: RUF012
    # Where ``load`` was told that its base model lies, and whether it reads what is known of users.
    base_paths: tuple[Path, ...] = ()
    with_histories: bool = True
    # Measures a training instead of doing it, and ends the fit by an exception: for a dry run.
    probe: Callable[..., NoReturn] | None = None

    def __init__(self, recipe: Recipe | None = None) -> None:
        self.recipe = self.complete_recipe(recipe or Recipe(name=self.kind, model=self.kind))
        self.metadata = {}
        self.train_log = []

    @classmethod
    def from_recipe(cls, recipe: Recipe) -> Self:
        """Make an unfitted model."""
        return cls(recipe)

    @classmethod
    def complete_recipe(cls, recipe: Recipe) -> Recipe:
        """Return a recipe with every field that the model reads.

        Raises RecipeError for others that are set, for a recipe of another model, and as ``check_recipe`` does.
        """
        if recipe.model != cls.kind:
            raise RecipeError(
                f"the recipe {recipe.name} is of model={recipe.model}, not {cls.kind}; llmrec.models.from_recipe "
                "makes the model that a recipe names"
            )
        complete = recipe.complete(cls.sections, cls.options)
        cls.check_recipe(complete)
        return complete

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raise RecipeError for values that do not go together; every field and option that is read is set."""

    @classmethod
    def with_absolute_paths(cls, recipe: Recipe) -> Recipe:
        """Return the recipe with the files that it names by absolute paths: its run is read from any folder."""
        return with_absolute_text(recipe) if "text" in cls.sections else recipe

    def fit(
        self,
        data: Dataset | Split,
        *,
        valid: Fold | None = None,
        work_dir: str | Path | None = None,
        progress: bool = False,
    ) -> Self:
        """Learn from a training set and return self; what an earlier fit learned is forgotten.

        ``valid`` is for early stopping only; of a Split it is the validation fold. With ``work_dir`` a trained
        model writes its checkpoints there and continues from the last one. ``progress`` draws a bar.
        """
        data, valid = training_part(data, valid)
        if data.positive_events.is_empty():
            none = "no events" if data.events.is_empty() else "no event is a positive target, so there is nothing"
            raise DataError(f"{data.name}: {none} to learn from")
        distributed.start(n_histories=len(data.histories))
        self.recipe = self.with_absolute_paths(self.recipe)
        self.catalog, self.train_log = data.catalog, []
        self.change_log, self.n_changes = None, 0  # of the run that it was loaded from
        self.histories = data.histories
        self.exclude_seen = not data.repeats_are_normal
        self.metadata = {
            "seed": self.recipe.seed,
            "data": {"name": data.name, "fingerprint": data.fingerprint, "events": data.events.height},
            "positive": data.positive.to_dict(),
            "exclude_seen": self.exclude_seen,
        }
        bounded = not {"train", "train.max_minutes"}.isdisjoint(self.sections)
        most = self.recipe.train.max_minutes if bounded else None
        with measured() as spent, encoding_shown(self.recipe.name, shown=progress, most_minutes=most):
            self._fit(data, valid=valid, work_dir=None if work_dir is None else Path(work_dir), progress=progress)
        cost = self.metadata.get("cost", {})
        self.metadata["cost"] = {
            # A resumed run was trained before, too.
            "train_seconds": round(spent.seconds + cost.pop("earlier_seconds", 0.0), 2),
            "peak_memory_gib": round(spent.peak_memory_gib, 2),
            "device": "cpu",
            **cost,
        }
        return self

    def save(self, folder: str | Path, *, split: Split | None = None) -> None:
        """Write a complete run directory, or nothing. Raises ArtifactError if it exists, or changes of one there.

        ``split``, what it was trained on, is written there too: which event is in which part, not the events.
        """
        catalog = self.catalog

        def fill(path: Path) -> None:
            (path / "recipe.yaml").write_text(self.recipe.to_yaml(), encoding="utf-8")
            write_items(catalog, path)
            write_histories(self.histories, catalog, self._extra_columns(), path)
            card = model_card(
                self.recipe.name, self.kind, self.metadata, n_items=len(catalog), details=self._card_rows()
            )
            (path / "README.md").write_text(card, encoding="utf-8")
            if split is not None:
                split.save(path / artifact.SPLIT)
            self._save(path)
            rows = self._index_rows()
            if rows is not None:
                FlatIndex.build(rows[0], bias=rows[1]).save(path / INDEX)

        require_no_changes(Path(folder))
        with CHANGING:
            artifact.write(Path(folder), kind=self.kind, metadata=self.metadata, fill=fill)

    @classmethod
    def load(cls, folder: str | Path, *, base: BasePaths | None = None, histories: bool = True) -> Self:
        """Read a run directory; ``base`` says where its base model lies now, if that has moved.

        Changes that were written beside the run are made again. Without ``histories`` nothing is known of users:
        for who scores histories of his choice, in less memory.
        Raises ArtifactError if it is not a complete run of this kind and version, and for another base model.
        """
        path = Path(folder)
        manifest = artifact.read(path)
        if manifest.kind != cls.kind:
            raise ArtifactError(f"{path} holds a {manifest.kind} model, not {cls.kind}; use llmrec.load")
        check_metadata(manifest.metadata, path)
        if base is not None and manifest.metadata.get("base") is None:
            raise ArtifactError(f"{path} holds a {manifest.kind} model, which has no base model: leave out base")
        with fitted_before(path):
            model = cls(Recipe.load(path / "recipe.yaml"))
        model.base_paths, model.with_histories = paths_of(base), histories
        with artifact.reading(path):
            model.catalog = read_items(path)
            model.histories = read_histories(path) if histories else Histories.of({})
            model.exclude_seen = manifest.metadata["exclude_seen"]
            of_writing = {"versions", "machine"}
            model.metadata = {key: value for key, value in manifest.metadata.items() if key not in of_writing}
            model._load(path)
        make_changes(model, path)
        return model

    def score(self, histories: HistoriesLike) -> Float32s:
        """See ``Ranker.score``; ``histories`` as for ``recommend``."""
        sequences = self._sequences_like(histories)
        if not len(sequences):
            return np.zeros((0, len(self.catalog)), dtype=np.float32)
        return finite(np.ascontiguousarray(self._score(sequences), dtype=np.float32))

    def sequences_of(self, histories: Histories) -> Sequences:
        """Return histories as the model reads them."""
        sequences = Sequences.encode(histories, self.catalog)
        return sequences if self.reads_negatives else sequences.positives()

    def _sequences_like(self, histories: HistoriesLike) -> Sequences:
        return self.sequences_of(read_as_histories(histories, self))

    @property
    def seeded(self) -> Seeded:
        """The recipe's name, the recipe without its seed, and the seed."""
        recipe = self.recipe
        return Seeded(recipe.name, recipe.model_copy(update={"seed": 0}).to_yaml(), recipe.seed)

    def vectors(self, histories: HistoriesLike | None = None, *, space: str = "inner_product") -> ScoreVectors:
        """Return items and users, by default the known ones, as vectors whose inner product is the model's score.

        See ``score_vectors``, also for what is not in them. Raises DataError as it does.
        """
        queries = self.histories if histories is None else histories
        return score_vectors(self, self._index_rows(), queries, space=space)

    def item_index(self, kind: str = "auto", *, bytes_per_item: int = 16) -> ItemIndex:
        """Index the items, for queries by ``embed_users``: scores are the model's, but for what repeats
        and responses add.

        ``kind`` and ``bytes_per_item``: see ``ItemIndex.build``. Removed items are left out. Raises DataError
        where there are no item vectors.
        """
        from llmrec.retrieval.index import ItemIndex

        with STEADY.shared():
            rows, catalog = self._index_rows(), self.catalog
        if rows is None:
            raise DataError(f"{self.kind} models have no item vectors to index; llm, gru, als and text have some")
        vectors, bias, ids = *rows, catalog.ids
        if catalog.removed is not None:
            left = np.flatnonzero(~catalog.removed)
            vectors, bias, ids = vectors[left], None if bias is None else bias[left], [ids[n] for n in left]
        return ItemIndex.build(vectors, ids, bias=bias, kind=kind, bytes_per_item=bytes_per_item)

    def user_index(self, histories: Histories | None = None, kind: str = "auto") -> UserIndex:
        """Index people by their histories' vectors, by default those that the model knows.

        Raises DataError for a model that has no vectors of histories, and where there is no history.
        """
        from llmrec.retrieval.index import UserIndex

        histories = read_as_histories(self.histories if histories is None else histories, self)
        vectors = self.embed_users(histories)
        if vectors is None:
            raise no_user_vectors(self.kind)
        return UserIndex.build(vectors, histories.user_ids, kind=kind)

    def _index_rows(self) -> tuple[Float32s, Float32s | None] | None:
        """Return vectors [n_items, dim] and biases [n_items] of items, None where there are none.

        Their product with a user's vector, plus the bias, is the score, where the model embeds users.
        """
        vectors = self.item_vectors()
        return None if vectors is None else (vectors, None)

    def _extra_columns(self) -> list[str]:
        """The columns of the known histories' events that a run holds besides the item."""
        return []

    def _card_rows(self) -> list[tuple[str, str]]:
        """Rows of the run's README.md that only this kind of model has."""
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
