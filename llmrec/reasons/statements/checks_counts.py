"""Checks of numbers: titles, people, ranks."""

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


@check("people")
def _people(arguments: Arguments, context: Context) -> Iterator[str]:
    titles, item = arguments["title"].titles, arguments["item"].titles
    chose, both = (arguments[name].number.replace(",", "") for name in ("chose", "both"))
    cited = {context.items[n].item_id for title in titles for n in title if n}
    known = {(fact.item_id, str(fact.chose), str(fact.both)) for fact in context.evidence.together}
    right = len(titles) == 1 and item == (SUGGESTED,) and context.is_cited(titles[0])
    if not right or not any((one, chose, both) in known for one in cited):
        yield "it gives a count of people that is not in the evidence"


@check("half")
def _half(arguments: Arguments, context: Context) -> Iterator[str]:
    titles, chose = arguments["title"].titles, arguments["chose"].number.replace(",", "")
    cited = {context.items[n].item_id for title in titles for n in title if n}
    right = len(titles) == 1 and arguments["item"].titles == (SUGGESTED,) and context.is_cited(titles[0])
    known = [one for one in context.evidence.together if one.item_id in cited and str(one.chose) == chose]
    if not right or not any(2 * one.both > one.chose for one in known):
        yield "it says that more than half chose both, which is not in the evidence"


@check("rank")
def _rank(arguments: Arguments, context: Context) -> Iterator[str]:
    now = context.evidence.rank
    if arguments["item"].titles != (SUGGESTED,) or not now or arguments["now"].number != str(now):
        yield "it gives a rank that is not in the evidence"


@check("rank_without")
def _rank_without(arguments: Arguments, context: Context) -> Iterator[str]:
    titles, cited = arguments["title"].titles, context.evidence.cited
    ranks = {cited[n - 1].rank_without for title in titles for n in title if 0 < n <= len(cited)}
    right = len(titles) == 1 and arguments["item"].titles == (SUGGESTED,) and 0 not in ranks
    if not right or {str(n) for n in ranks} != {arguments["number"].number.replace(",", "")}:
        yield "it gives a rank without an item that is not in the evidence"
    if "now" in arguments:
        yield from _rank(arguments, context)
