"""Sentences that say what the numbers show, and no more than they show."""

from __future__ import annotations

from llmrec.evaluation.results import Asked, Comparison, Result
from llmrec.evaluation.wording import chance, metric_name

# Above this p-value a difference is called not distinguishable from chance.
ALPHA = 0.05


def verdicts(results: tuple[Result, ...], compared: tuple[Comparison, ...], asked: Asked) -> list[str]:
    """State the first model's number, then where it stands against each other model, then who leads."""
    first, metric = results[0], asked.protocol.columns[0]
    found, level = first.metrics[metric], f"{asked.protocol.level * 100:g} % interval"
    lines = [
        f"{first.model} scores {found.mean:.3f} in {metric_name(metric)} "
        f"({level} {found.low:.3f} to {found.high:.3f})."
    ]
    lines += _found(first, asked)
    lines += [_against(row, results) for row in compared if row.metric == metric]
    if len(results) > 2:
        best = max(results, key=lambda result: result.metrics[metric].mean)
        lines.append(f"Highest {metric_name(metric)} of all: {best.model}, {best.metrics[metric]}.")
    return lines


def _found(first: Result, asked: Asked) -> list[str]:
    """Say recall as a share of people, which it is where each person has one answer."""
    column = f"recall@{asked.protocol.k}"
    if column not in first.metrics or not asked.single_answer:
        return []
    share = f"{first.metrics[column].mean:.1%} of the {asked.users:,} people"
    return [f"For {share}, its {asked.protocol.k} suggestions held the very item they chose next."]


def _against(row: Comparison, results: tuple[Result, ...]) -> str:
    theirs = next(result for result in results if result.model == row.against).metrics[row.metric]
    times = f"{row.ratio:.2f} times " if row.ratio is not None else "Beside "
    start = f"{times}{row.against}'s {theirs}"
    overlap = "the intervals overlap" if row.intervals_overlap else "the intervals do not overlap"
    if row.p_value >= ALPHA:
        return f"{start}: the two are not distinguishable ({chance(row.p_value)}; {overlap})."
    side = "higher" if row.difference.mean > 0 else "lower"
    return f"{start}: {side}, and more than chance explains ({chance(row.p_value)}; {overlap})."
