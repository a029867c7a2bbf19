"""Checks of roles and weights: what was chosen, what is suggested, and which choice counts how much."""

from __future__ import annotations

from collections.abc import Iterator

from llmrec.reasons.statements.checking import STRONG, Arguments, Context, check
from llmrec.reasons.wording import spoken

# Shares of the strongest one's effect: what weighs equally has at least the one, what weighs a little has less
# than the other.
_EQUAL = 2 / 3
_LITTLE = 1 / 3


@check("chosen")
def _chosen(arguments: Arguments, context: Context) -> Iterator[str]:
    if not all(map(context.is_cited, arguments["title"].titles)):
        yield "it says that the suggested item was chosen before"


@check("suggested")
def _suggested(arguments: Arguments, context: Context) -> Iterator[str]:
    titles = arguments["item" if "item" in arguments else "title"].titles
    if len(titles) != 1 or 0 not in titles[0]:
        yield "it says that a chosen item is suggested"


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


@check("most")
def _most(arguments: Arguments, context: Context) -> Iterator[str]:
    """What weighs most: nothing else weighs more, and each has a strong share of the strongest one's effect."""
    titles = arguments["title"].titles
    named = {index for title in titles for index in title}
    rest = [frozenset({index}) for index in range(1, len(context.evidence.cited) + 1) if index not in named]
    if min(context.shares(titles), default=0.0) < max(STRONG, *context.shares(rest), 0.0):
        yield "it says that an item weighs most, which does not"


@check("little")
def _little(arguments: Arguments, context: Context) -> Iterator[str]:
    titles = arguments["less" if "less" in arguments else "title"].titles
    if max(context.shares(titles), default=1.0) >= _LITTLE:
        yield "it says that an item weighs a little, which weighs much"


@check("less")
def _less(arguments: Arguments, context: Context) -> Iterator[str]:
    more, less = (context.shares(arguments[name].titles) for name in ("title", "less"))
    if not all(map(context.is_cited, arguments["less"].titles)) or min(more, default=0) <= max(less, default=1):
        yield "it says that an item weighs less than another, which does not"


@check("equal")
def _equal(arguments: Arguments, context: Context) -> Iterator[str]:
    shares = context.shares(arguments["title"].titles)
    if len(shares) < 2 or min(shares) < _EQUAL * max(shares):
        yield "it says that items weigh the same, which do not"
