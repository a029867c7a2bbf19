"""Predict how users respond to items: what any recommender with response heads does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from llmrec.arrays import Float32s, Int32s, Int64s
from llmrec.config import Recipe
from llmrec.data import Fold, Histories, Sequences
from llmrec.data.columns import BEHAVIOR, ITEM, TIME, USER
from llmrec.data.responses.count_features import WINDOW, CountFeatures
from llmrec.data.responses.field_bins import EventBins
from llmrec.data.responses.queries import ResponseQueries
from llmrec.data.responses.task import task_named
from llmrec.data.responses.task_set import TaskSet
from llmrec.errors import DataError, RecipeError
from llmrec.models.arguments import HistoriesLike, note_unknown_items, read_as_histories
from llmrec.models.base import Recommender
from llmrec.models.fit_network import Validation, sample_of
from llmrec.models.responses.fields import EventFields
from llmrec.models.responses.simulate import simulate
from llmrec.models.responses.table import TaskPredictions, pairs_of, response_table, skill

if TYPE_CHECKING:
    from llmrec.training.response_heads import ResponseHeads

PAIRS_AT_ONCE = 65536
VALID_EVENTS = 2000  # a fixed random sample of at most so many events of the validation users is predicted
EARLY_STOPPING_METRICS = {
    "next_item": ("valid_ndcg@10",),
    "responses": ("valid_responses",),
    "both": ("valid_ndcg@10", "valid_responses"),
}


class RespondingRecommender(Recommender):
    """A recommender whose recipe may have ``tasks`` and ``history.events``.

    Raises RecipeError for a task that is not registered. A subclass sets ``fields`` in ``_fit`` and ``_load`` and
    writes ``_states``, ``_heads`` and ``_raw_vectors``.
    """

    fields: EventFields

    def __init__(self, recipe: Recipe | None = None) -> None:
        super().__init__(recipe)
        for name in self.recipe.tasks:
            task_named(name)

    @property
    def tasks(self) -> TaskSet:
        """The tasks that are predicted, as fitted to the training data."""
        return self.fields.tasks

    @property
    def bins(self) -> EventBins:
        """The bins of the event fields that are read."""
        return self.fields.bins

    @property
    def count_features(self) -> CountFeatures | None:
        """What the heads read besides states, where the recipe has ``responses.count_features``."""
        return self.fields.count_features

    @classmethod
    def check_recipe(cls, recipe: Recipe) -> None:
        """Raise RecipeError for values that do not go together."""
        super().check_recipe(recipe)
        if recipe.responses.rank_by != "relevance" and "purchase" not in recipe.tasks:
            raise RecipeError(f"responses.rank_by={recipe.responses.rank_by} needs purchase among the tasks")

    @abstractmethod
    def _states(self, sequences: Sequences) -> Float32s:
        """Return what the heads read of each history, float32 [n, width]."""

    @abstractmethod
    def _heads(self) -> ResponseHeads | None:
        """Return the heads, None without tasks."""

    @abstractmethod
    def _raw_vectors(self) -> Float32s:
        """Return item vectors before normalization, float32 [n_items, dim]."""

    def predict_response(
        self, histories: HistoriesLike, items: str | Sequence[str] | Mapping[str, Sequence[str]]
    ) -> pl.DataFrame:
        """Predict how each user responds to one item, to all of a list, or by user id to a list for each user.

        ``histories``: as for ``recommend``. Returns ``user_id, item_id`` and for each task of the recipe:
        ``behavior_NAME`` and ``action_NAME`` (probability that the next event is of this behavior, its item known
        or not), ``purchase`` (probability), ``rating`` (expected; ``rating_STEP`` probabilities if ordinal),
        ``gap`` (expected seconds until the next event; ``gap_BIN`` probabilities), ``value`` (expected sum spent
        in the next basket). Raises DataError for an unknown item or a model without tasks.
        """
        if not self._heads():
            raise DataError(
                f"{self.recipe.name} was trained without tasks; set tasks in the recipe and train again"
            )
        histories = read_as_histories(histories, self)
        note_unknown_items(histories, self.catalog)
        pairs = pairs_of(histories, items)
        codes = np.array([self.catalog.code(item) for item in pairs[ITEM]], dtype=np.int64)
        states = self._states(self.sequences_of(histories))
        predictions = self._predict(histories, states, pairs["row"].to_numpy(), codes)
        return response_table(pairs.drop("row"), predictions, self.tasks)

    def simulate(self, history: HistoriesLike, steps: int, *, seed: int = 0) -> pl.DataFrame:
        """Continue one history by drawing ``steps`` events; see ``llmrec.models.responses.simulate.simulate``."""
        return simulate(self, read_as_histories(history, self), steps, seed=seed)

    def sequences_of(self, histories: Histories) -> Sequences:
        """Return items and, with ``history.events``, the event codes of their other fields."""
        catalog = self.catalog
        event_codes = self._event_codes(histories) if self.recipe.history.events else None
        return Sequences.encode(histories, catalog, event_codes=event_codes)

    @abstractmethod
    def _event_codes(self, histories: Histories) -> Int32s:
        """Return a code for each event's other fields, int32 [n_events]."""

    def _extra_columns(self) -> list[str]:
        if not (self.recipe.history.events or self.recipe.tasks):
            return []
        for_features = self.count_features.columns if self.count_features else []
        wanted = dict.fromkeys([*self.bins.columns, *for_features, TIME, BEHAVIOR])
        return [name for name in wanted if name in self.histories.events.columns]

    def _validation(self, valid: Fold | None) -> Validation | None:
        """Return how the heads are validated; None without heads, or without any known target in the fold."""
        if not self.recipe.tasks or valid is None or valid.events is None or not len(valid.histories):
            return None
        both, held_out = sample_of(valid, self.recipe.train.valid_users, seed=self.recipe.seed).followed()
        held_out &= self.catalog.codes(both.events[ITEM]) >= 0
        queries = ResponseQueries.of(
            both, held_out, self.tasks, most=VALID_EVENTS, window=WINDOW, seed=self.recipe.seed
        )
        row_of = {name: row for row, name in enumerate(queries.histories.user_ids)}
        rows = np.array([row_of[name] for name in queries.targets[USER]], dtype=np.int64)
        codes = self.catalog.codes(queries.targets[ITEM]).astype(np.int64)
        targets = {name: queries.targets[name].to_numpy() for name in self.tasks.names}
        if all(np.isnan(values).all() for values in targets.values()):
            return None

        def measured() -> float:
            states = self._states(self.sequences_of(queries.histories))
            return skill(self._predict(queries.histories, states, rows, codes), targets, self.tasks)

        return Validation(measured, EARLY_STOPPING_METRICS[self.recipe.responses.early_stopping_metric])

    def _predict(self, histories: Histories, states: Float32s, rows: Int64s, codes: Int64s) -> TaskPredictions:
        """Predict for pairs of a history, by its row, and an item, by its code; ``states`` are the histories'."""
        import torch

        heads = self._heads()
        assert heads is not None
        device = next(heads.parameters()).device
        vectors, parts = self._raw_vectors(), []
        with torch.inference_mode():
            for start in range(0, max(len(rows), 1), PAIRS_AT_ONCE):
                part = slice(start, start + PAIRS_AT_ONCE)
                inputs = [states[rows[part]], vectors[codes[part]]]
                if self.count_features is not None:
                    inputs.append(self.count_features.of_pairs(histories, rows[part], codes[part], self.catalog))
                outputs = heads(*(torch.from_numpy(values).to(device) for values in inputs))
                parts.append({name: values.float().cpu().numpy() for name, values in outputs.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def score(self, histories: Histories) -> Float32s:
        """Score as ``responses.rank_by`` wants: relevance, or log of p(item) * p(purchase | item) * price.

        See ``Recommender.score``.
        """
        scores = super().score(histories)
        if self.recipe.responses.rank_by == "relevance" or not len(scores):
            return scores
        top = scores.max(axis=1, keepdims=True)
        relevance = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
        states, n = self._states(self.sequences_of(histories)), scores.shape[1]
        for row in range(len(scores)):
            user = histories[row : row + 1], states[row : row + 1]
            purchase = self._predict(*user, np.zeros(n, dtype=np.int64), np.arange(n))["purchase"][:, 1]
            relevance[row] += np.log(np.maximum(purchase, 1e-9))
        return np.asarray(relevance + np.log(self.fields.prices), dtype=np.float32)
