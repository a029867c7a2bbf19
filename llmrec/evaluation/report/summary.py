"""Sentences that say what the numbers show, and no more than they show."""

from __future__ import annotations

from llmrec.evaluation.report.glossary import format_p_value, metric_name
from llmrec.evaluation.results import Comparison, EvaluationContext, Result

# Above this p-value a difference is called not distinguishable from chance.
ALPHA = 0.05


def verdicts(
    results: tuple[Result, ...], compared: tuple[Comparison, ...], context: EvaluationContext
) -> list[str]:
    """State the first model's number, then where it stands against each other model, then who leads."""
    first, metric = results[0], context.protocol.columns[0]
    interval, level = first.metrics[metric], f"{context.protocol.level * 100:g} % interval"
    span = f"{level} {interval.low:.3f} to {interval.high:.3f}" if first.users > 1 else "one user, so no interval"
    sentences = [f"{first.model} scores {interval.mean:.3f} in {metric_name(metric)}{_of(context)} ({span})."]
    sentences += _hits(first, context)
    sentences += [_against(row, results) for row in compared if row.metric == metric]
    if len(results) > 2:
        best = max(results, key=lambda result: result.metrics[metric].mean)
        sentences.append(f"Highest {metric_name(metric)} of all: {best.model}, {best.metrics[metric]}.")
    return sentences


def _of(context: EvaluationContext) -> str:
    """Name what was ranked where it is not the whole catalog: such a number is another number."""
    return "" if context.choices is None else f" among {context.among}"


def _hits(first: Result, context: EvaluationContext) -> list[str]:
    """Say recall as a share: of people where each has one answer, else of answers; and what chance gives."""
    k, sentences = context.protocol.k, []
    column = f"recall@{k}"
    if column not in first.metrics:
        return []
    share = first.metrics[column].mean
    if context.single_answer and context.answers <= context.users:
        people = f"{share:.1%} of the {context.users:,} people"
        sentences.append(f"For {people}, its {k} suggestions held the very item they chose next.")
    else:
        sentences.append(
            f"Of each person's right answers ({context.answers / max(context.users, 1):.1f} on average), its {k} "
            f"suggestions held {share:.1%}, averaged over {context.users:,} people."
        )
    if context.choices is not None:
        blind = f"{min(k / max(context.ranked, 1), 1):.1%} of the right answers"
        sentences.append(f"A list picked blindly from {context.among} would hold about {blind}.")
    return sentences


def _against(row: Comparison, results: tuple[Result, ...]) -> str:
    theirs = next(result for result in results if result.model == row.against).metrics[row.metric]
    times = f"{row.ratio:.2f} times " if row.ratio is not None else "Beside "
    start = f"{times}{row.against}'s {theirs}"
    overlap = "the intervals overlap" if row.intervals_overlap else "the intervals do not overlap"
    # A difference is one only if it stands up to how many models were compared.
    p_value = row.p_value if row.p_adjusted is None else row.p_adjusted
    p_text = format_p_value(p_value) + (
        f" for {row.comparisons} comparisons by Holm" if row.comparisons > 1 else ""
    )
    if p_value >= ALPHA:
        return f"{start}: the two are not distinguishable ({p_text}; {overlap})."
    side = "higher" if row.difference.mean > 0 else "lower"
    return f"{start}: {side}, and more than chance explains ({p_text}; {overlap})."
