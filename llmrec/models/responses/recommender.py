"""Answer what a user will do with an item, and what they do next: on top of any model with response heads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from llmrec.arrays import Float32s, Floatings, Int32s, Int64s
from llmrec.data import Dataset, Fold, Histories, Sequences
from llmrec.data.columns import BEHAVIOR, ITEM, TIME, USER
from llmrec.data.histories import offsets_of
from llmrec.data.responses.count_features import WINDOW, CountFeatures
from llmrec.data.responses.field_bins import EventLevels
from llmrec.data.responses.tasks import Targets, TaskSet, response_queries
from llmrec.errors import DataError
from llmrec.models.base import Recommender
from llmrec.models.fit_network import Validation, sample_of
from llmrec.models.responses.fields import EventFields
from llmrec.models.responses.table import Answers, response_table, skill
from llmrec.training.batching import Batch, context_positions_of, targets_of

if TYPE_CHECKING:
    import torch

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

    A subclass sets ``fields`` in ``_fit`` and ``_load`` and writes ``_states``, ``_heads`` and ``_raw_vectors``.
    """

    fields: EventFields

    @property
    def tasks(self) -> TaskSet:
        """What is predicted of events."""
        return self.fields.tasks

    @property
    def levels(self) -> EventLevels:
        """What is read of events."""
        return self.fields.levels

    @property
    def count_features(self) -> CountFeatures | None:
        """What the heads read besides states, where the recipe has ``responses.count_features``."""
        return self.fields.count_features

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
        self, histories: Histories, items: Sequence[str] | Mapping[str, Sequence[str]]
    ) -> pl.DataFrame:
        """Say how each user would respond to items: to each of a list, or to each of their own by user id.

        Returns ``user_id, item_id`` and for each task of the recipe: ``behavior_NAME`` and ``action_NAME``
        (probability that the next event is of this kind, with and without knowing its item), ``purchase``
        (probability), ``rating`` (expected; ``rating_STEP`` probabilities if ordinal), ``gap`` (expected seconds
        until the next event; ``gap_PART``), ``value`` (expected spending at the next moment). Raises
        DataError for an unknown item or a model without tasks.
        """
        if not self._heads():
            raise DataError(
                f"{self.recipe.name} was trained without tasks; set tasks in the recipe and train again"
            )
        pairs = pairs_of(histories, items)
        codes = np.array([self.catalog.code(item) for item in pairs[ITEM]], dtype=np.int64)
        states = self._states(self.sequences_of(histories))
        answers = self._answers(histories, states, pairs["row"].to_numpy(), codes)
        return response_table(pairs.drop("row"), answers, self.tasks)

    def simulate(self, history: Histories, steps: int, *, seed: int = 0) -> pl.DataFrame:
        """Continue one history by drawing events: the item, then its behavior, rating and the pause before it.

        Returns ``step, item_id`` and what the tasks predict: ``behavior`` (given the item; by ``action`` if
        only that is a task), ``rating`` (expected), ``gap`` (seconds), ``timestamp`` where the history has
        times. Seen items are left out where the training data has few repeats. Raises DataError for more than
        one history, no step, or when no item is left.
        """
        if len(history) != 1 or steps < 1:
            raise DataError(f"simulate continues one history by at least one step, got {len(history)} and {steps}")
        draw, now, rows = np.random.default_rng(seed), history, []
        for step in range(1, steps + 1):
            row = self._next_event(now, draw)
            rows.append({"step": step, **row})
            now = _followed(now, row)
        return pl.DataFrame(rows)

    def sequences_of(self, histories: Histories) -> Sequences:
        """Return items and, where the recipe says so, what each event says besides."""
        event_codes = self._event_codes(histories) if self.recipe.history.events else None
        return Sequences.encode(histories, self._fitted_catalog(), event_codes=event_codes)

    @abstractmethod
    def _event_codes(self, histories: Histories) -> Int32s:
        """Return a code for what each event says besides its item, int32 [n_events]."""

    def _extra_columns(self) -> list[str]:
        count_features = self.count_features.columns if self.count_features else []
        wanted = [*self.levels.columns, *count_features, TIME, BEHAVIOR] if self._speaks() else []
        return [name for name in dict.fromkeys(wanted) if name in self.histories.events.columns]

    def _speaks(self) -> bool:
        return bool(self.recipe.history.events or self.recipe.tasks)

    def _targets(self, data: Dataset) -> Targets | None:
        """Read the answers off training data, aligned with its sequences; None where nothing needs them."""
        if not self.recipe.tasks and not self.recipe.responses.behavior_weights:
            return None
        known = self.catalog.codes(data.histories.events[ITEM]) >= 0
        told = self.tasks.targets(data.histories)
        if self.count_features is not None:
            told = replace(told, features=self.count_features.of_events(data.histories, self.catalog))
        return told.of_known(data.histories.offsets, known)

    def _labels(self, targets: Targets, sequences: Sequences, batch: Batch) -> dict[str, torch.Tensor]:
        """Lay out a batch's answers as ``ResponseHeads.loss`` takes them."""
        import torch

        laid = {name: targets_of(values, sequences, batch.windows) for name, values in targets.values.items()}
        weights = np.nan_to_num(targets_of(targets.weights, sequences, batch.windows))
        tensors = {name: torch.from_numpy(values.astype(np.float32)) for name, values in laid.items()}
        tensors["context_positions"] = torch.from_numpy(
            context_positions_of(targets.n_visible, sequences, batch.windows)
        )
        tensors["weights"] = torch.from_numpy(weights.astype(np.float32))
        if targets.features is not None:
            features = targets_of(targets.features, sequences, batch.windows)
            tensors["features"] = torch.from_numpy(features.astype(np.float32))
        return tensors

    def _validation(self, valid: Fold | None) -> Validation | None:
        """Say how the heads are validated; None where there are none, or nothing to ask them."""
        if not self.recipe.tasks or valid is None or valid.events is None or not len(valid.histories):
            return None
        both, held_out = sample_of(valid, self.recipe.train.valid_users, seed=self.recipe.seed).followed()
        held_out &= self.catalog.codes(both.events[ITEM]) >= 0
        told = response_queries(
            both, held_out, self.tasks, most=VALID_EVENTS, window=WINDOW, seed=self.recipe.seed
        )
        place = {name: row for row, name in enumerate(told.histories.user_ids)}
        rows = np.array([place[name] for name in told.answers[USER]], dtype=np.int64)
        codes = self.catalog.codes(told.answers[ITEM]).astype(np.int64)
        truths = {name: told.answers[name].to_numpy() for name in self.tasks.names}
        if all(np.isnan(values).all() for values in truths.values()):
            return None

        def measured() -> float:
            states = self._states(self.sequences_of(told.histories))
            return skill(self._answers(told.histories, states, rows, codes), truths, self.tasks)

        return Validation(measured, EARLY_STOPPING_METRICS[self.recipe.responses.early_stopping_metric])

    def _answers(self, histories: Histories, states: Float32s, rows: Int64s, codes: Int64s) -> Answers:
        """Answer for pairs of a history, by its row, and an item, by its code; ``states`` are the histories'."""
        import torch

        heads = self._heads()
        assert heads is not None
        device = next(heads.parameters()).device
        vectors, parts = self._raw_vectors(), []
        with torch.inference_mode():
            for start in range(0, max(len(rows), 1), PAIRS_AT_ONCE):
                part = slice(start, start + PAIRS_AT_ONCE)
                read = [states[rows[part]], vectors[codes[part]]]
                if self.count_features is not None:
                    read.append(self.count_features.of_pairs(histories, rows[part], codes[part], self.catalog))
                found = heads(*(torch.from_numpy(values).to(device) for values in read))
                parts.append({name: values.float().cpu().numpy() for name, values in found.items()})
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
            own = histories[row : row + 1], states[row : row + 1]
            bought = self._answers(*own, np.zeros(n, dtype=np.int64), np.arange(n))["purchase"][:, 1]
            relevance[row] += np.log(np.maximum(bought, 1e-9))
        return np.asarray(relevance + np.log(self.fields.prices), dtype=np.float32)

    def _next_event(self, now: Histories, draw: np.random.Generator) -> dict[str, object]:
        scores = self.score(now)[0].astype(np.float64)
        sequences = self.sequences_of(now)
        if self.exclude_seen:
            scores[sequences.codes] = -np.inf
        if not np.isfinite(scores).any():
            raise DataError("no item is left that was not seen; simulate fewer steps")
        chances = np.exp(scores - scores.max())
        code = int(draw.choice(len(chances), p=chances / chances.sum()))
        row: dict[str, object] = {ITEM: self.catalog.ids[code]}
        if not self._heads():
            return row
        answers = self._answers(now, self._states(sequences), np.zeros(1, dtype=np.int64), np.array([code]))
        for name in ("behavior", "action"):
            if name in answers and BEHAVIOR not in row:
                row[BEHAVIOR] = self.tasks[name].levels[_drawn(answers[name][0], draw)]
        if "rating" in answers:
            row["rating"] = float(_expected(self.tasks, answers)[0])
        if "gap" in answers:
            row["gap"] = float(self.tasks["gap"].values[_drawn(answers["gap"][0], draw)])
            if TIME in now.events.columns and now.events.height:
                row[TIME] = int(now.events[TIME][-1]) + round(float(str(row["gap"])))
        return row


def pairs_of(histories: Histories, items: Sequence[str] | Mapping[str, Sequence[str]]) -> pl.DataFrame:
    """Lay out who is asked about what: ``user_id, item_id, row`` (the history's place)."""
    if isinstance(items, str):
        raise DataError("items is a list of item ids, not a string; write ['172']")
    users = histories.user_ids
    lists = (
        [list(items.get(user, ())) for user in users] if isinstance(items, Mapping) else [list(items)] * len(users)
    )
    rows = np.repeat(np.arange(len(users)), [len(one) for one in lists])
    names = pl.Series(users, dtype=pl.String).gather(rows)
    flat = pl.Series([item for one in lists for item in one], dtype=pl.String)
    return pl.DataFrame({USER: names, ITEM: flat, "row": rows})


def _expected(tasks: TaskSet, answers: Answers) -> Floatings:
    found = answers["rating"]
    return found if found.ndim == 1 else found @ np.array(tasks["rating"].values)


def _drawn(chances: Floatings, draw: np.random.Generator) -> int:
    exact = chances.astype(np.float64)
    return int(draw.choice(len(exact), p=exact / exact.sum()))


def _followed(history: Histories, row: Mapping[str, object]) -> Histories:
    """Put an event behind a history; fields that it does not say are unknown."""
    event = {name: row.get(name) for name in history.events.columns}
    added = pl.DataFrame([event], schema=history.events.schema)
    events = pl.concat([history.events, added])
    return Histories(history.user_ids, events, offsets_of([events.height]))
