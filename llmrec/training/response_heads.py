"""Heads that predict an event's behavior, rating and more from a user's state and an item's vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from llmrec.data.responses.count_features import CountFeatures
from llmrec.data.responses.task import TaskSpec
from llmrec.data.responses.task_set import TaskSet
from llmrec.training.field_embeddings import PiecewiseLinear
from llmrec.training.losses import weighted_mean

# What a batch knows of its targets besides their items, all [n, length + 1] as they are: each task's answer (NaN
# where not known), "anchors" (which state was there strictly before, -1: none), "weights"; and, where the heads
# read them, counted "features" [n, length + 1, n_features].
Labels = Mapping[str, torch.Tensor]


class TargetStates(NamedTuple):
    """States [n, length, width], where each is read [n, items + 1], and (rows, places) of the targets."""

    hidden: torch.Tensor
    states: torch.Tensor
    targets: tuple[torch.Tensor, torch.Tensor]


class ResponseHeads(nn.Module):
    """``p(y | u, i) = softmax(MLP([u; v_i; u * v_i]))``; without an item, ``p(y | u) = softmax(MLP(u))``.

    A number is a mean with squared loss, an ordinal a cumulative link (McCullagh 1980): ``p(y > k) =
    sigmoid(f(u, i) - c_k)``. One hidden layer is shared by all tasks of a kind, beside a linear path, which
    carries what an item or a user has in general. With ``count_features`` both also read features that are counted, not
    learned (as in Wide & Deep, Cheng et al. 2016): those of the user, and given an item those of the pair.
    """

    def __init__(
        self,
        tasks: TaskSet,
        *,
        width: int,
        dim: int,
        hidden: int,
        dropout: float,
        count_features: CountFeatures | None = None,
    ) -> None:
        super().__init__()
        self.tasks = tasks
        self.user = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, dim))
        self.dropout = nn.Dropout(dropout)
        self.dim = dim
        self.numeric = None if count_features is None else PiecewiseLinear(torch.from_numpy(count_features.edges))
        every = self.numeric.size(count_features.size) if self.numeric and count_features else 0
        self.of_user = self.numeric.size(count_features.n_user) if self.numeric and count_features else 0
        given = [spec for spec in tasks.specs if spec.task.given_item]
        alone = [spec for spec in tasks.specs if not spec.task.given_item]
        self.given = _Head(given, 3 * dim + every, hidden, dropout)
        self.alone = _Head(alone, dim + self.of_user, hidden, dropout)

    def forward(
        self, states: torch.Tensor, vectors: torch.Tensor, features: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Predict for n pairs of a state [n, width] and an item vector before normalization [n, dim].

        ``features`` [n, n_features] where the heads read them. Returns probabilities [n, n_levels] of classes and
        ordinals, and numbers [n].
        """
        raw = self._raw(states, vectors, features)
        found: dict[str, torch.Tensor] = {}
        for spec in self.tasks.specs:
            values = raw[spec.name]
            if spec.kind == "classes":
                found[spec.name] = values.softmax(-1)
            elif spec.kind == "ordinal":
                found[spec.name] = self._head(spec).steps(spec, values)
            else:
                numbers = values[:, 0] * spec.scale + spec.mean
                found[spec.name] = numbers.clamp(spec.low, spec.high)
        return found

    def loss(self, taught: TargetStates, vectors: torch.Tensor, labels: Labels) -> torch.Tensor:
        """Mean over the tasks of each one's mean loss, over targets that have an answer and a state before them.

        A mean, so that the responses' weight beside the next item is the same for one task and for five.

        ``vectors`` are those of the targets' items [n_targets, dim].
        """
        rows, places = taught.targets
        context_positions = labels["context_positions"][rows, places]
        there = context_positions >= 0
        rows, places, vectors = rows[there], places[there], vectors[there]
        at = taught.states[rows, context_positions[there]]
        features = labels["features"][rows, places] if self.numeric else None
        raw = self._raw(taught.hidden[rows, at], vectors, features)
        weights = labels["weights"][rows, places]
        total = taught.hidden.new_zeros(())
        for spec in self.tasks.specs:
            answers = labels[spec.name][rows, places]
            known = ~torch.isnan(answers)
            each = self._head(spec).each(spec, raw[spec.name][known], answers[known])
            total = total + weighted_mean(each, weights[known])
        return total / len(self.tasks.specs)

    def _raw(
        self, states: torch.Tensor, vectors: torch.Tensor, features: torch.Tensor | None
    ) -> dict[str, torch.Tensor]:
        users = self.user(states)
        items = functional.normalize(vectors, dim=-1) * self.dim**0.5
        pairs, alone = [users, self.dropout(items), self.dropout(users * items)], [users]
        if self.numeric is not None:
            assert features is not None
            numbers = self.numeric(features)
            pairs, alone = [*pairs, numbers], [users, numbers[:, : self.of_user]]
        return {**self.given(torch.cat(pairs, dim=-1)), **self.alone(torch.cat(alone, dim=-1))}

    def _head(self, spec: TaskSpec) -> _Head:
        return self.given if spec.task.given_item else self.alone


class _Head(nn.Module):
    """A shared hidden layer and a linear path to each task's outputs."""

    def __init__(self, specs: list[TaskSpec], width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.specs = specs
        self.sizes = [len(spec.levels) if spec.kind == "classes" else 1 for spec in specs]
        total = sum(self.sizes)
        if not total:
            return
        self.hidden = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout))
        self.out = nn.Linear(hidden, total)
        self.linear = nn.Linear(width, total, bias=False)
        nn.init.zeros_(self.linear.weight)
        starts = [torch.tensor(s.prior).log() if s.kind == "classes" else torch.zeros(1) for s in specs]
        with torch.no_grad():
            self.out.bias.copy_(torch.cat(starts))
        # Distances between the cuts are kept positive by exp, so that the steps stay in order.
        for spec in specs:
            if spec.kind == "ordinal":
                above = torch.tensor(spec.prior).double().flip(0).cumsum(0).flip(0)[1:].clamp(1e-4, 1 - 1e-4)
                cuts = -torch.logit(above).float()
                distances = cuts.diff().clamp(min=1e-3).log()
                self.cuts = nn.Parameter(torch.cat([cuts[:1], distances]))

    def forward(self, inputs: torch.Tensor) -> dict[str, torch.Tensor]:
        if not self.specs:
            return {}
        outputs = self.out(self.hidden(inputs)) + self.linear(inputs)
        parts = outputs.split(self.sizes, dim=-1)
        return {spec.name: part for spec, part in zip(self.specs, parts, strict=True)}

    def above(self, values: torch.Tensor) -> torch.Tensor:
        """Logits that the answer is above each step but the last: [n, n_levels - 1]."""
        cuts = torch.cat([self.cuts[:1], self.cuts[:1] + self.cuts[1:].exp().cumsum(0)])
        return values - cuts

    def steps(self, spec: TaskSpec, values: torch.Tensor) -> torch.Tensor:
        """Probabilities of an ordinal's steps [n, n_levels]."""
        above = torch.sigmoid(self.above(values))
        ends = torch.ones_like(above[:, :1])
        return torch.cat([ends, above], dim=1) - torch.cat([above, torch.zeros_like(ends)], dim=1)

    def each(self, spec: TaskSpec, values: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
        """Loss of each answer [n] under raw outputs [n, size]."""
        if spec.kind == "classes":
            return functional.cross_entropy(values.float(), answers.long(), reduction="none")
        if spec.kind == "number":
            return (values[:, 0] - (answers - spec.mean) / spec.scale).square()
        # Nearest, not equal: answers are floats, and their steps may not be representable.
        steps = torch.tensor(spec.values, device=answers.device, dtype=answers.dtype)
        place = (answers[:, None] - steps).abs().argmin(1)
        chances = self.steps(spec, values).gather(1, place[:, None])[:, 0]
        return -(chances.clamp(min=1e-6)).log()
