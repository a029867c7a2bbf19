"""Weigh the members of a stack on validation answers, and fall back on the best where weighing does not pay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from llmrec.models.base import Recommender
from llmrec.models.stacking.conditional_logit import Choices, ConditionalLogit, ndcg_of
from llmrec.models.stacking.features import knots_of, prior_weights

# Of fewer queries weights are drawn to their prior, and cross-validation says too little of them, see eval/LOG.md.
LEAST_QUERIES = 200


@dataclass(frozen=True)
class MemberReport:
    """What validation says of a member: its mean weight beside all others, and its NDCG@10 by itself.

    The weight is that at the top of its list, beyond all knots.
    """

    name: str
    weight: float
    ndcg: float

    def __str__(self) -> str:
        return f"{self.name} {self.weight:.2f} ({self.ndcg:.3f})"


@dataclass(frozen=True, eq=False)
class Weighing:
    """The logit of all members, what validation says of each, and the NDCG@10 of all together, cross-validated.

    ``best``: the member that is better by itself than all together; None where none is, and all stay.
    """

    logit: ConditionalLogit
    members: tuple[MemberReport, ...]
    n_queries: int
    ndcg: float
    best: int | None = None

    def metadata(self) -> dict[str, Any]:
        """Return what a run's manifest says of the members that stay: all, or the best."""
        stay = [self.members[self.best]] if self.best is not None else list(self.members)
        values = {
            "members": [one.name for one in stay],
            "weights": [one.weight for one in stay] if self.best is None else [1.0],
            "valid_users": self.n_queries,
            "valid_ndcg@10": {"members": [one.ndcg for one in stay], "stacked, cross-validated": self.ndcg},
        }
        return values if self.best is None else values | {"left_out": [one.name for one in self._others()]}

    def lines(self) -> Iterator[str]:
        """Say what the members weigh and reach, and which one stays alone."""
        listed = ", ".join(map(str, self.members))
        yield (
            f"weights at the top of the list, and NDCG@10 alone on {self.n_queries:,} validation users: {listed}; "
            f"stacked, cross-validated: {self.ndcg:.3f}"
        )
        if self.best is not None:
            best = self.members[self.best]
            yield (
                f"{best.name} alone is better than all together (NDCG@10 {best.ndcg:.3f}, {self.ndcg:.3f}; by "
                "more than a standard error): it stays, the others are left out"
            )

    def _others(self) -> list[MemberReport]:
        return [member for n, member in enumerate(self.members) if n != self.best]


def weigh(members: Sequence[Recommender], choices: Choices, *, fall_back: bool, seed: int) -> Weighing:
    """Weigh members, whose features ``choices`` are.

    With ``fall_back`` the best member stays alone where it is better by itself than the stack, by more than a
    standard error of the difference, of as many queries as can tell.
    """
    prior = ConditionalLogit.prior(prior_weights(members), choices.contexts, knots_of(members))
    logit, held_out = prior.tuned(choices, seed=seed)
    out_of, stacked = np.isneginf(choices.log_weight), ndcg_of(held_out, choices.targets)
    alone = np.array(
        [
            ndcg_of(np.where(out_of, np.float32(-np.inf), one), choices.targets)
            for one in choices.features.swapaxes(0, 1)
        ]
    )
    means = logit.top_weights(choices.contexts)
    reports = tuple(
        MemberReport(member.recipe.name, round(float(weight), 4), round(float(ndcg), 6))
        for member, weight, ndcg in zip(members, means, alone.mean(axis=1), strict=True)
    )
    weighing = Weighing(logit, reports, len(choices), round(float(stacked.mean()), 6))
    best = int(alone.mean(axis=1).argmax())
    gained = alone[best] - stacked
    enough = fall_back and len(members) > 1 and len(choices) >= LEAST_QUERIES
    if enough and gained.mean() > gained.std() / len(gained) ** 0.5:
        alone_logit = ConditionalLogit.prior(np.ones(1), choices.contexts[:, [best]], knots_of([members[best]]))
        return replace(weighing, best=best, logit=alone_logit)
    return weighing
