"""Scores of a stack: each member's feature times its weight, of a rule once for what all histories share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from llmrec.arrays import Bools, Float32s, Int64s
from llmrec.data import Histories, Sequences
from llmrec.models.base import Recommender
from llmrec.models.sparse_scores import SparseRecommender, SparseScores
from llmrec.models.stacking.conditional_logit import ConditionalLogit
from llmrec.models.stacking.features import (
    ROWS_IN_CACHE,
    SMALLEST_SHARE,
    add_feature,
    contexts_of,
    known_by,
    unit_of,
)

# Scores of histories by a member, [n, n_items].
MemberScores = Callable[[Recommender, Histories], Float32s]
# Up to here log1p(x) is x, but for less than float32 rounds a score by.
LINEAR_UP_TO = 4e-4
# No score is more than 1 / SMALLEST_SHARE units. What is common to all is where a history's own items score less.
MOST_UNITS = np.float32(2 / SMALLEST_SHARE)
# A rule's feature of what it scores alike for all histories depends on each one's unit: up to so many units it is
# computed for each and multiplied out, for more it is looked up by the values that there are.
FEW_UNITS = 4
# Of fewer histories it is computed as it is.
WORTH_LOOKING_UP = 8


def stacked_scores(
    members: Sequence[Recommender],
    logit: ConditionalLogit,
    histories: Histories,
    counts: Int64s,
    *,
    by: MemberScores,
) -> Float32s:
    """Add up the members' features, [n, n_items]; ``counts`` [n_items] are the training events of each item.

    ``by`` scores histories by a member that is no rule. A member without weight is not asked.
    """
    sequences = Sequences.encode(histories, members[0].catalog)
    weighed = [(member, logit.of_feature(n)) for n, member in enumerate(members) if logit.reads(n)]
    rules, dense = list[WeightedRule](), list[tuple[Recommender, ConditionalLogit]]()
    for member, part in weighed:
        if isinstance(member, SparseRecommender) and member.scores_sparsely:
            sparse = member.sparse_scores(sequences)
            highest = sparse.highest()
            weights = part.multipliers(contexts_of([known_by(member, highest)], sequences, counts))[:, 0]
            rules.append(WeightedRule(sparse, unit_of(highest), weights, part))
        else:
            dense.append((member, part))
    total = total_of(rules, len(sequences), len(counts))
    for member, part in dense:
        scores = by(member, histories)
        contexts = contexts_of([known_by(member, scores.max(axis=1))], sequences, counts)
        add_feature(total, member, scores, part.multipliers(contexts), part)
    return total


class WeightedRule(NamedTuple):
    """A rule's scores of n histories, what each one's are divided by, and the rule's weights: [n] each.

    ``logit`` is the rule's part, of which the hinges are read: they are the same for all histories.
    """

    scores: SparseScores
    unit: Float32s
    weights: Float32s
    logit: ConditionalLogit


def total_of(rules: Sequence[WeightedRule], n: int, n_items: int) -> Float32s:
    """Add up the rules' features times their weights, [n, n_items].

    Items of equal scores get equal sums, and a history the same ones among others as alone: ties stay ties.
    """
    parts, looked_up = list[tuple[Float32s, Float32s]](), list[tuple[WeightedRule, Int64s]]()
    for rule in rules:
        common, unit, linear = np.maximum(rule.scores.common, 0), rule.unit, is_linear(rule)
        if linear.any() and common.any():
            parts.append((np.where(linear, rule.weights / unit, 0), common))
        units = np.unique(unit[~linear])
        if len(units) > FEW_UNITS:
            looked_up.append((rule, np.flatnonzero(~linear)))
            continue
        for one in units:
            rows, feature = ~linear & (unit == one), logarithms(common, one)
            parts.append((np.where(rows, rule.weights, 0), feature))
            if (bent := rule.logit.bent(feature)).any():
                parts.append((rows.astype(np.float32), bent))
    total = np.zeros((n, n_items), dtype=np.float32)
    # No matrix product: its sums are in another order at the edge of a block and for another number of rows.
    for start in range(0, n, ROWS_IN_CACHE):
        rows = slice(start, start + ROWS_IN_CACHE)
        for multipliers, feature in parts:
            total[rows] += multipliers[rows, None] * feature
    for rule, some in looked_up:
        add_common(total, rule, some)
    for rule in rules:
        add_specific(total, rule)
    return total


def is_linear(rule: WeightedRule) -> Bools:
    """Say for which histories all that is common to all is so small that its logarithms need not be taken."""
    most = max(float(rule.scores.common.max()), 0.0)
    return most <= LINEAR_UP_TO * rule.unit


def logarithms(common: Float32s, unit: Float32s) -> Float32s:
    """Return the feature of scores that are common to all and not below 0, in these units."""
    result: Float32s = np.log1p(np.minimum(common, MOST_UNITS * unit) / unit)
    return result


def add_common(total: Float32s, rule: WeightedRule, rows: Int64s) -> None:
    """Add the feature of what is common to all histories to some ``rows`` of ``total``."""
    common = np.maximum(rule.scores.common, 0)
    values, positions = np.unique(common, return_inverse=True) if len(rows) >= WORTH_LOOKING_UP else (common, None)
    for row in rows:
        feature = logarithms(values, rule.unit[row])
        for added in (rule.weights[row] * feature, rule.logit.bent(feature)):
            total[row] += added if positions is None else added[positions]


def add_specific(total: Float32s, rule: WeightedRule) -> None:
    """Put the features of each history's own items where those of what is common to all have been added."""
    rows, codes = rule.scores.rows, rule.scores.codes
    unit, common, linear = rule.unit[rows], np.maximum(rule.scores.common, 0)[codes], is_linear(rule)[rows]
    in_units = np.maximum(rule.scores.values, 0) / unit
    added = np.where(linear, common / unit, logarithms(common, unit))
    # What scores as it does for all must gain nothing.
    specific: Float32s = np.where(linear & (in_units <= LINEAR_UP_TO), in_units, np.log1p(in_units))
    total[rows, codes] += rule.weights[rows] * (specific - added) + (
        rule.logit.bent(specific) - rule.logit.bent(added)
    )
