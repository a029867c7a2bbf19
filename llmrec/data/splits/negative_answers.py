"""Count the answers that a split would have, were every event a positive target: what a rule for these changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from llmrec.arrays import Int8s
from llmrec.data.cleaning.positives import ALL, negative_by_default, positives_of
from llmrec.data.dataset import Dataset
from llmrec.data.splits.parts import TEST
from llmrec.errors import DataError


class AnswersIfAll(NamedTuple):
    """How many test answers there would be, and how many of them would be no positive targets."""

    answers: int
    negatives: int


def answers_if_all(
    data: Dataset, parts: Sequence[Int8s], assign: Callable[[Dataset], Int8s | list[Int8s]]
) -> list[AnswersIfAll | None]:
    """Count for each of the ``parts`` that ``assign`` made of ``data``; None where the rule changes no event.

    Where all events are positive targets by choice, those are counted that would be none by default.
    """
    if not data.positive.n_negatives:
        return [None] * len(parts)
    if data.positive.rule == ALL:
        negative = negative_by_default(data.events, label=data.name).to_numpy()
        every: Sequence[Int8s] = parts
    else:
        negative = ~positives_of(data.events).to_numpy()
        try:
            assigned = assign(data.with_positive(ALL))
        except DataError:  # windows of another number, say
            return [None] * len(parts)
        every = assigned if isinstance(assigned, list) else [assigned]
    held_out = [part == TEST for part in every]
    return [AnswersIfAll(int(test.sum()), int((test & negative).sum())) for test in held_out]
