"""Checks of numbers: titles and ranks; of people in checks_people."""

from __future__ import annotations

from collections.abc import Iterator

from llmrec.reasons.statements.checking import SUGGESTED, Arguments, Context, check


@check("two")
def _two(arguments: Arguments, context: Context) -> Iterator[str]:
    if len(arguments["title"].titles) != 2:
        yield "it speaks of two items where it names others"


@check("many")
def _many(arguments: Arguments, context: Context) -> Iterator[str]:
    if len(arguments["title"].titles) < 2:
        yield "it speaks of several items where it names one"


@check("counted")
def _counted(arguments: Arguments, context: Context) -> Iterator[str]:
    n = len(arguments["title"].titles)
    if arguments["number"].number != str(n):
        yield f"it counts {arguments['number'].number} items where it names {n}"


@check("nth")
def _nth(arguments: Arguments, context: Context) -> Iterator[str]:
    n = len({*context.named, *arguments["title"].titles})
    if arguments["number"].number != str(n):
        yield f"it speaks of number {arguments['number'].number} of {n} items"


@check("rank")
def _rank(arguments: Arguments, context: Context) -> Iterator[str]:
    now = context.evidence.rank
    if arguments["item"].titles != (SUGGESTED,) or not now or arguments["now"].number != str(now):
        yield "it gives a rank that is not in the evidence"


@check("lifted")
def _lifted(arguments: Arguments, context: Context) -> Iterator[str]:
    """What lifts an item to its rank: without each of the titles it would stand lower."""
    yield from _rank(arguments, context)
    cited = context.evidence.cited
    for title in arguments["title"].titles:
        ranks = [cited[n - 1].rank_without for n in title if 0 < n <= len(cited)]
        if min(ranks, default=0) <= context.evidence.rank:
            yield f"it says that {context.said(title)} lifts the suggested item, which is not in the evidence"


@check("rank_without")
def _rank_without(arguments: Arguments, context: Context) -> Iterator[str]:
    titles, cited = arguments["title"].titles, context.evidence.cited
    ranks = {cited[n - 1].rank_without for title in titles for n in title if 0 < n <= len(cited)}
    right = len(titles) == 1 and arguments["item"].titles == (SUGGESTED,) and 0 not in ranks
    if not right or {str(n) for n in ranks} != {arguments["number"].number.replace(",", "")}:
        yield "it gives a rank without an item that is not in the evidence"
    if "now" in arguments:
        yield from _rank(arguments, context)


@check("lower")
def _lower(arguments: Arguments, context: Context) -> Iterator[str]:
    """So many ranks lower without an item."""
    titles, cited = arguments["title"].titles, context.evidence.cited
    ranks = {cited[n - 1].rank_without for title in titles for n in title if 0 < n <= len(cited)}
    right = len(titles) == 1 and arguments["item"].titles == (SUGGESTED,) and len(ranks) == 1 and 0 not in ranks
    falls = {str(rank - context.evidence.rank) for rank in ranks}
    if not right or not context.evidence.rank or falls != {arguments["number"].number.replace(",", "")}:
        yield "it gives a fall in rank that is not in the evidence"
