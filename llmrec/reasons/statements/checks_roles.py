"""Checks of roles: what was chosen, what is suggested and what rather than; weights are in checks_weights."""

from __future__ import annotations

from collections.abc import Iterator

from llmrec.reasons.statements.checking import SUGGESTED, Arguments, Context, check
from llmrec.reasons.statements.nodes import Node
from llmrec.reasons.wording import spoken


@check("chosen")
def _chosen(arguments: Arguments, context: Context) -> Iterator[str]:
    if not all(map(context.is_cited, arguments["title"].titles)):
        yield "it says that the suggested item was chosen before"


@check("chosen_last")
def _chosen_last(arguments: Arguments, context: Context) -> Iterator[str]:
    """What is said of "A and B, which you chose": of B at least, and of A if that is not what is suggested."""
    titles = arguments["title"].titles
    others = [title for title in titles[:-1] if title != SUGGESTED]
    yield from _chosen({"title": Node(titles=(*others, *titles[-1:]))}, context)


@check("suggested")
def _suggested(arguments: Arguments, context: Context) -> Iterator[str]:
    titles = arguments["item" if "item" in arguments else "title"].titles
    if len(titles) != 1 or 0 not in titles[0]:
        yield "it says that a chosen item is suggested"


@check("suggested_other")
def _suggested_other(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _suggested({"title": arguments["other"]}, context)


@check("repeated")
def _repeated(arguments: Arguments, context: Context) -> Iterator[str]:
    titles = arguments["title"].titles
    yield from (f"it names {context.said(one)} more than once" for one in set(titles) if titles.count(one) > 1)


@check("general")
def _general(arguments: Arguments, context: Context) -> Iterator[str]:
    if context.evidence.cited:
        yield "it says that no item raised the score, and one did"


@check("rather")
def _rather(arguments: Arguments, context: Context) -> Iterator[str]:
    rival = context.evidence.rival
    if rival is None or not any(context.items[index] is rival for index in arguments["rival"].titles[0]):
        yield "it does not say once that it is rather than " + (repr(spoken(rival.title)) if rival else "another")


@check("named")
def _named(arguments: Arguments, context: Context) -> Iterator[str]:
    """What is true of the suggested item alone is no reason: a chosen one is named with it."""
    if not any(context.is_cited(title) for title in arguments["title"].titles):
        yield "it gives a reason that names no chosen item"


@check("history")
def _history(arguments: Arguments, context: Context) -> Iterator[str]:
    """That the history is the reason is said with a reason that names what in it is."""
    yield from _named(arguments, context)


@check("one")
def _one(arguments: Arguments, context: Context) -> Iterator[str]:
    yield f"it says that {context.said(arguments['title'].titles[0])} is one, and not one of what"
