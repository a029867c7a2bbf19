"""Compare the first of several models with each other one: paired by user, corrected for how many there are."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from llmrec.evaluation.protocol import EvaluationProtocol
from llmrec.evaluation.results import Comparison
from llmrec.evaluation.significance import Interval, holm, paired_p_value


def compare(
    metrics: Mapping[str, Mapping[str, Interval]], tables: Mapping[str, pl.DataFrame], rules: EvaluationProtocol
) -> tuple[Comparison, ...]:
    """Hold the first name against each other one. ``metrics``, ``tables``: by name, over users and per user.

    p-values are corrected, per metric, for how many names it is compared with.
    """
    first, *others = metrics
    compared = {
        column: [_against(column, first, other, metrics, tables, rules) for other in others]
        for column in rules.columns
    }
    for column, rows in compared.items():
        adjusted = holm([row.p_value for row in rows])
        compared[column] = [
            row.model_copy(update={"p_adjusted": p, "comparisons": len(rows)})
            for row, p in zip(rows, adjusted, strict=True)
        ]
    return tuple(compared[column][number] for number in range(len(others)) for column in rules.columns)


def _against(
    column: str,
    first: str,
    other: str,
    metrics: Mapping[str, Mapping[str, Interval]],
    tables: Mapping[str, pl.DataFrame],
    rules: EvaluationProtocol,
) -> Comparison:
    one, two = (tables[name][column].to_numpy() for name in (first, other))
    mine, theirs = metrics[first][column], metrics[other][column]
    return Comparison(
        metric=column,
        model=first,
        against=other,
        difference=rules.interval(one - two),
        ratio=mine.mean / theirs.mean if theirs.mean else None,
        p_value=paired_p_value(one, two, samples=rules.permutations, seed=rules.seed),
        intervals_overlap=mine.overlaps(theirs),
    )
