"""Baselines for responses: one interface, the class prior, and a Markov chain over a user's own answers."""

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
from llmrec.data.responses.tasks import TaskSet, TaskSpec
from llmrec.errors import DataError
from llmrec.models.responses.recommender import pairs_of
from llmrec.models.responses.table import Answers, response_table


class ResponseModel(ABC):
    """A model of responses that recommends nothing: ``fit``, then ``predict_response`` as recommenders answer it.

    It answers the tasks it can; others have no column in its table.
    """

    name: ClassVar[str]
    tasks: TaskSet
    catalog: Catalog

    def fit(self, data: Dataset, tasks: TaskSet) -> Self:
        """Learn from a training set. Raises DataError where no task can be answered."""
        self.tasks, self.catalog = tasks, data.catalog
        self._fit(data)
        return self

    def predict_response(
        self, histories: Histories, items: Sequence[str] | Mapping[str, Sequence[str]]
    ) -> pl.DataFrame:
        """Say how each user would respond to items; see ``RespondingRecommender.predict_response``."""
        if not hasattr(self, "tasks"):
            raise DataError(f"this {self.name} model has not been fitted; call fit first")
        pairs = pairs_of(histories, items)
        codes = np.array([self.catalog.code(item) for item in pairs[ITEM]], dtype=np.int64)
        return response_table(
            pairs.drop("row"), self._answers(histories, pairs["row"].to_numpy(), codes), self.tasks
        )

    @abstractmethod
    def _fit(self, data: Dataset) -> None:
        """Learn; tasks and catalog are set."""

    @abstractmethod
    def _answers(self, histories: Histories, rows: Int64s, codes: Int64s) -> Answers:
        """Answer for pairs of a history's row and an item's code."""


class PriorResponses(ResponseModel):
    """Every answer as often as it occurred in training; the mean of numbers."""

    name = "prior"

    def _fit(self, data: Dataset) -> None:
        pass

    def _answers(self, histories: Histories, rows: Int64s, codes: Int64s) -> Answers:
        return {spec.name: usual(spec, len(rows)) for spec in self.tasks.specs}


class MarkovResponses(ResponseModel):
    """The answer after a user's last answer to the same question: a first-order chain, smoothed by the prior."""

    name = "markov"
    strength: float = 5.0  # how many events the prior counts for

    def _fit(self, data: Dataset) -> None:
        targets = self.tasks.targets(data.histories)
        starts = np.repeat(data.histories.offsets[:-1], data.histories.lengths())
        last = starts + targets.n_visible - 1
        self.chains: dict[str, Float64s] = {}
        for spec in stepped(self.tasks):
            steps = steps_of(spec, targets.values[spec.name])
            known = (targets.n_visible > 0) & (steps >= 0) & (steps[np.maximum(last, 0)] >= 0)
            counts = np.zeros((len(spec.levels), len(spec.levels)))
            np.add.at(counts, (steps[last[known]], steps[known]), 1)
            counts += self.strength * np.array(spec.prior)
            self.chains[spec.name] = counts / counts.sum(axis=1, keepdims=True)

    def _answers(self, histories: Histories, rows: Int64s, codes: Int64s) -> Answers:
        targets = self.tasks.targets(histories)
        found: dict[str, Float64s] = {}
        lengths = histories.lengths()[rows]
        last = np.maximum(histories.offsets[1:][rows] - 1, 0)
        for spec in stepped(self.tasks):
            steps = steps_of(spec, targets.values[spec.name])
            own = steps[last] if len(steps) else np.full(len(rows), -1)
            known = (lengths > 0) & (own >= 0)
            chances = np.where(known[:, None], self.chains[spec.name][np.maximum(own, 0)], np.array(spec.prior))
            found[spec.name] = shown_as(spec, chances)
        return found


class HiddenMarkovResponses(ResponseModel):
    """A hidden Markov model over a user's own answers, one symbol a moment, by ``hmmlearn``."""

    name = "hmm"

    def __init__(self, *, states: int = 4, most: int = 20_000, seed: int = 0) -> None:
        self.states, self.most, self.seed = states, most, seed

    def _fit(self, data: Dataset) -> None:
        try:
            from hmmlearn.hmm import CategoricalHMM
        except ImportError as error:
            raise DataError("the hidden Markov model needs hmmlearn: pip install 'llmrec[baselines]'") from error
        self.machines = {}
        for spec in stepped(self.tasks):
            flat, lengths = self._symbols(spec, data.histories)
            chosen = np.flatnonzero(lengths > 1)[: self.most]
            ends = np.cumsum(lengths)
            rows = np.concatenate([np.arange(ends[n] - lengths[n], ends[n]) for n in chosen])
            machine = CategoricalHMM(
                self.states,
                n_features=len(spec.levels),
                n_iter=30,
                tol=1e-2,
                random_state=self.seed,
                emissionprob_prior=1.1,
                transmat_prior=1.1,
            )
            self.machines[spec.name] = machine.fit(flat[rows, None], lengths[chosen])

    def _answers(self, histories: Histories, rows: Int64s, codes: Int64s) -> Answers:
        found: dict[str, Float64s] = {}
        for spec in stepped(self.tasks):
            machine = self.machines[spec.name]
            flat, lengths = self._symbols(spec, histories)
            now = np.tile(machine.startprob_, (len(lengths), 1))
            filled = lengths > 0
            if len(flat):
                ends = np.cumsum(lengths)[filled] - 1
                now[filled] = machine.predict_proba(flat[:, None], lengths[filled])[ends] @ machine.transmat_
            found[spec.name] = shown_as(spec, (now @ machine.emissionprob_)[rows])
        return found

    def _symbols(self, spec: TaskSpec, histories: Histories) -> tuple[Int64s, Int64s]:
        """A symbol for each moment of each history, and how many each has."""
        steps = steps_of(spec, self.tasks.targets(histories).values[spec.name])
        places = np.arange(len(steps)) - np.repeat(histories.offsets[:-1], histories.lengths())
        kept = (n_strictly_earlier(histories) == places) & (steps >= 0)
        owners = np.repeat(np.arange(len(histories)), histories.lengths())
        return steps[kept], np.bincount(owners[kept], minlength=len(histories))


def usual(spec: TaskSpec, n: int) -> Float64s:
    """The prior of a task, n times."""
    if spec.kind == "number":
        return np.full(n, spec.center)
    return np.tile(np.array(spec.prior), (n, 1))


def stepped(tasks: TaskSet) -> list[TaskSpec]:
    """The tasks whose answers are classes or the steps of a scale."""
    return [spec for spec in tasks.specs if spec.levels]


def steps_of(spec: TaskSpec, answers: Float64s) -> Int64s:
    """Turn answers into places among a task's levels, -1 where not known."""
    known = ~np.isnan(answers)
    places = answers
    if spec.kind != "classes":
        steps = np.array(spec.values)
        places = np.abs(np.nan_to_num(answers)[:, None] - steps).argmin(axis=1).astype(np.float64)
    return np.where(known, np.nan_to_num(places), -1).astype(np.int64)


def shown_as(spec: TaskSpec, chances: Float64s) -> Float64s:
    """Turn probabilities of the levels into what a task's kind says: these, or the expected number."""
    return chances @ np.array(spec.values) if spec.kind == "number" else chances
