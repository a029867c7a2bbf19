"""Heads that predict the tasks of an event from a user's state and an item's vector."""

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

# The labels of a batch besides the items, all [n, length + 1] as the targets are: each task's target (NaN where
# unknown), "context_positions" (the state strictly before, -1: none), "weights"; and, where the heads read them,
# count "features" [n, length + 1, n_features].
Labels = Mapping[str, torch.Tensor]


class TargetStates(NamedTuple):
    """States [n, length, width], the positions they are read at [n, items + 1], (rows, columns) of the targets."""

    hidden: torch.Tensor
    states: torch.Tensor
    targets: tuple[torch.Tensor, torch.Tensor]


class ResponseHeads(nn.Module):
    """``p(y | u, i) = softmax(MLP([u; v_i; u * v_i]))``; without an item, ``p(y | u) = softmax(MLP(u))``.

    A number is a mean with squared loss, an ordinal a cumulative link (McCullagh 1980): ``p(y > k) =
    sigmoid(f(u, i) - c_k)``. One hidden layer is shared by the tasks with an item, one by those without, beside a
    linear path for the main effects of users and items. With ``count_features`` both also read these, as the wide
    part of Wide & Deep (Cheng et al. 2016): those of the user, and with an item those of the pair.
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
        n_pair = self.numeric.size(count_features.size) if self.numeric and count_features else 0
        self.n_user = self.numeric.size(count_features.n_user) if self.numeric and count_features else 0
        given = [spec for spec in tasks.specs if spec.task.given_item]
        alone = [spec for spec in tasks.specs if not spec.task.given_item]
        self.given = _Head(given, 3 * dim + n_pair, hidden, dropout)
        self.alone = _Head(alone, dim + self.n_user, hidden, dropout)

    def forward(
        self, states: torch.Tensor, vectors: torch.Tensor, features: torch.Tensor | None = None
    ) -> dict[str, torch.Tensor]:
        """Predict for n pairs of a state [n, width] and an item vector before normalization [n, dim].

        ``features`` [n, n_features] where the heads read them. Returns probabilities [n, n_levels] of classes and
        ordinals, and numbers [n].
        """
        raw = self._raw(states, vectors, features)
        predictions: dict[str, torch.Tensor] = {}
        for spec in self.tasks.specs:
            values = raw[spec.name]
            if spec.kind == "classes":
                predictions[spec.name] = values.softmax(-1)
            elif spec.kind == "ordinal":
                predictions[spec.name] = self._head(spec).steps(spec, values)
            else:
                numbers = values[:, 0] * spec.scale + spec.mean
                predictions[spec.name] = numbers.clamp(spec.low, spec.high)
        return predictions

    def loss(self, target_states: TargetStates, vectors: torch.Tensor, labels: Labels) -> torch.Tensor:
        """Mean over the tasks of each one's weighted mean loss, over known targets with a state before them.

        A mean, so that the responses' weight beside the next item is the same for one task and for five.
        ``vectors`` are those of the targets' items [n_targets, dim].
        """
        rows, columns = target_states.targets
        context_positions = labels["context_positions"][rows, columns]
        visible = context_positions >= 0
        rows, columns, vectors = rows[visible], columns[visible], vectors[visible]
        at = target_states.states[rows, context_positions[visible]]
        features = labels["features"][rows, columns] if self.numeric else None
        raw = self._raw(target_states.hidden[rows, at], vectors, features)
        weights = labels["weights"][rows, columns]
        total = target_states.hidden.new_zeros(())
        for spec in self.tasks.specs:
            targets = labels[spec.name][rows, columns]
            known = ~torch.isnan(targets)
            each = self._head(spec).each(spec, raw[spec.name][known], targets[known])
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
            pairs, alone = [*pairs, numbers], [users, numbers[:, : self.n_user]]
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
        priors = [torch.tensor(s.prior).log() if s.kind == "classes" else torch.zeros(1) for s in specs]
        with torch.no_grad():
            self.out.bias.copy_(torch.cat(priors))
        # Distances between the cuts stay positive by exp, and so the steps in order.
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
        """Logits that the target is above each step but the last: [n, n_levels - 1]."""
        cuts = torch.cat([self.cuts[:1], self.cuts[:1] + self.cuts[1:].exp().cumsum(0)])
        return values - cuts

    def steps(self, spec: TaskSpec, values: torch.Tensor) -> torch.Tensor:
        """Probabilities of an ordinal's steps [n, n_levels]."""
        above = torch.sigmoid(self.above(values))
        ends = torch.ones_like(above[:, :1])
        return torch.cat([ends, above], dim=1) - torch.cat([above, torch.zeros_like(ends)], dim=1)

    def each(self, spec: TaskSpec, values: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Loss of each target [n] under raw outputs [n, size]."""
        if spec.kind == "classes":
            return functional.cross_entropy(values.float(), targets.long(), reduction="none")
        if spec.kind == "number":
            return (values[:, 0] - (targets - spec.mean) / spec.scale).square()
        # Nearest, not equal: targets are float32, where the steps may not be representable.
        steps = torch.tensor(spec.values, device=targets.device, dtype=targets.dtype)
        level = (targets[:, None] - steps).abs().argmin(1)
        probabilities = self.steps(spec, values).gather(1, level[:, None])[:, 0]
        return -(probabilities.clamp(min=1e-6)).log()
