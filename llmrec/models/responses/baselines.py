"""Baselines for responses: one interface, the prior, and Markov models over a user's targets so far."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Int64s
from llmrec.data import Catalog, Dataset, Histories
from llmrec.data.columns import ITEM
from llmrec.data.histories import n_strictly_earlier
from llmrec.data.responses.task import TaskSpec
from llmrec.data.responses.task_set import TaskSet
from llmrec.errors import DataError
from llmrec.models.arguments import note_unknown_items
from llmrec.models.responses.table import TaskPredictions, pairs_of, response_table
from llmrec.runtime import extra


class ResponseModel(ABC):
    """A model of responses that recommends nothing: ``fit``, then ``predict_response`` with a recommender's table.

    It predicts the tasks it can; others have no column in its table.
    """

    name: ClassVar[str]
    tasks: TaskSet
    catalog: Catalog

    def fit(self, data: Dataset, tasks: TaskSet) -> Self:
        """Fit to a training set. Raises DataError where the model can predict none of the tasks."""
        self.tasks, self.catalog = tasks, data.catalog
        self._fit(data)
        return self

    def predict_response(
        self, histories: Histories, items: Sequence[str] | Mapping[str, Sequence[str]]
    ) -> pl.DataFrame:
        """Predict how each user responds to items; see ``RespondingRecommender.predict_response``."""
        if not hasattr(self, "tasks"):
            raise DataError(f"this {self.name} model has not been fitted; call fit first")
        note_unknown_items(histories, self.catalog)
        pairs = pairs_of(histories, items)
        codes = np.array([self.catalog.code(item) for item in pairs[ITEM]], dtype=np.int64)
        return response_table(
            pairs.drop("row"), self._predict(histories, pairs["row"].to_numpy(), codes), self.tasks
        )

    @abstractmethod
    def _fit(self, data: Dataset) -> None:
        """Fit to a training set; tasks and catalog are set."""

    @abstractmethod
    def _predict(self, histories: Histories, rows: Int64s, codes: Int64s) -> TaskPredictions:
        """Predict for pairs of a history, by its row, and an item, by its code."""


class PriorResponses(ResponseModel):
    """The prior of each class, the mean of numbers, whoever the user and whatever the item."""

    name = "prior"

    def _fit(self, data: Dataset) -> None:
        pass

    def _predict(self, histories: Histories, rows: Int64s, codes: Int64s) -> TaskPredictions:
        return {spec.name: prior_of(spec, len(rows)) for spec in self.tasks.specs}


class MarkovResponses(ResponseModel):
    """A first-order Markov chain over a user's targets of a task, smoothed by the prior."""

    name = "markov"
    strength: float = 5.0  # how many events the prior counts for

    def _fit(self, data: Dataset) -> None:
        targets = self.tasks.targets(data.histories)
        starts = np.repeat(data.histories.offsets[:-1], data.histories.lengths())
        last = starts + targets.n_visible - 1
        self.chains: dict[str, Float64s] = {}
        for spec in discrete(self.tasks):
            levels = spec.level_indices(targets.values[spec.name])
            known = (targets.n_visible > 0) & (levels >= 0) & (levels[np.maximum(last, 0)] >= 0)
            counts = np.zeros((len(spec.levels), len(spec.levels)))
            np.add.at(counts, (levels[last[known]], levels[known]), 1)
            counts += self.strength * np.array(spec.prior)
            self.chains[spec.name] = counts / counts.sum(axis=1, keepdims=True)

    def _predict(self, histories: Histories, rows: Int64s, codes: Int64s) -> TaskPredictions:
        targets = self.tasks.targets(histories)
        predictions: dict[str, Float64s] = {}
        lengths = histories.lengths()[rows]
        last = np.maximum(histories.offsets[1:][rows] - 1, 0)
        for spec in discrete(self.tasks):
            levels = spec.level_indices(targets.values[spec.name])
            previous = levels[last] if len(levels) else np.full(len(rows), -1)
            known = (lengths > 0) & (previous >= 0)
            chain = self.chains[spec.name]
            probabilities = np.where(known[:, None], chain[np.maximum(previous, 0)], np.array(spec.prior))
            predictions[spec.name] = of_kind(spec, probabilities)
        return predictions


class HiddenMarkovResponses(ResponseModel):
    """A hidden Markov model over a user's targets of a task, one symbol a timestamp, by ``hmmlearn``."""

    name = "hmm"

    def __init__(self, *, states: int = 4, most: int = 20_000, seed: int = 0) -> None:
        self.states, self.most, self.seed = states, most, seed

    def _fit(self, data: Dataset) -> None:
        hmm = extra("hmmlearn.hmm", "baselines")
        self.machines = {}
        for spec in discrete(self.tasks):
            symbols, lengths = self._symbols(spec, data.histories)
            chosen = np.flatnonzero(lengths > 1)[: self.most]
            ends = np.cumsum(lengths)
            rows = np.concatenate([np.arange(ends[n] - lengths[n], ends[n]) for n in chosen])
            machine = hmm.CategoricalHMM(
                self.states,
                n_features=len(spec.levels),
                n_iter=30,
                tol=1e-2,
                random_state=self.seed,
                emissionprob_prior=1.1,
                transmat_prior=1.1,
            )
            self.machines[spec.name] = machine.fit(symbols[rows, None], lengths[chosen])

    def _predict(self, histories: Histories, rows: Int64s, codes: Int64s) -> TaskPredictions:
        predictions: dict[str, Float64s] = {}
        for spec in discrete(self.tasks):
            machine = self.machines[spec.name]
            symbols, lengths = self._symbols(spec, histories)
            states = np.tile(machine.startprob_, (len(lengths), 1))
            filled = lengths > 0
            if len(symbols):
                ends = np.cumsum(lengths)[filled] - 1
                posterior = machine.predict_proba(symbols[:, None], lengths[filled])
                states[filled] = posterior[ends] @ machine.transmat_
            predictions[spec.name] = of_kind(spec, (states @ machine.emissionprob_)[rows])
        return predictions

    def _symbols(self, spec: TaskSpec, histories: Histories) -> tuple[Int64s, Int64s]:
        """The target of the first event at each timestamp of each history, and how many each history has."""
        levels = spec.level_indices(self.tasks.targets(histories).values[spec.name])
        positions = np.arange(len(levels)) - np.repeat(histories.offsets[:-1], histories.lengths())
        first = (n_strictly_earlier(histories) == positions) & (levels >= 0)
        owners = np.repeat(np.arange(len(histories)), histories.lengths())
        return levels[first], np.bincount(owners[first], minlength=len(histories))


def prior_of(spec: TaskSpec, n: int) -> Float64s:
    """The prior of a task for n events: probabilities [n, n_levels] or the mean [n]."""
    if spec.kind == "number":
        return np.full(n, spec.mean)
    return np.tile(np.array(spec.prior), (n, 1))


def discrete(tasks: TaskSet) -> list[TaskSpec]:
    """The tasks whose targets are classes or the steps of a scale."""
    return [spec for spec in tasks.specs if spec.levels]


def of_kind(spec: TaskSpec, probabilities: Float64s) -> Float64s:
    """Return what a task's kind predicts by probabilities of its levels: these, or the expected number."""
    return probabilities @ np.array(spec.values) if spec.kind == "number" else probabilities
