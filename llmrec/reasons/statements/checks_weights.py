"""Checks of weights: which choice counts how much, by the measured falls."""

from __future__ import annotations

from collections.abc import Iterator

from llmrec.reasons.statements.checking import STRONG, Arguments, Context, check
from llmrec.reasons.statements.nodes import Title

# Shares of the strongest one's effect: what weighs equally has at least the one, what weighs a little has less
# than the second, what hardly weighs less than the third.
_EQUAL = 2 / 3
_LITTLE = 1 / 3
_HARDLY = 1 / 5


@check("most")
def _most(arguments: Arguments, context: Context) -> Iterator[str]:
    """What weighs most: nothing else weighs more, and each has a strong share of the strongest one's effect."""
    shares, rest = context.shares(arguments["title"].titles), context.shares(_rest(arguments, context))
    if min(shares, default=0.0) < max(STRONG, *rest, 0.0):
        yield "it says that an item weighs most, which does not"


@check("above_all")
def _above_all(arguments: Arguments, context: Context) -> Iterator[str]:
    """What is the reason above all: it weighs most, and nothing left out has more than half of its effect."""
    yield from _most(arguments, context)
    named = {index for title in context.reasons for index in title}
    rest = [one for one in _rest(arguments, context) if not one & named]
    if max(context.shares(rest), default=0.0) > STRONG:
        yield "it says that an item weighs above all, and leaves out one that has more than half of its effect"


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
    titles = arguments["title"].titles + (arguments["other"].titles if "other" in arguments else ())
    shares = context.shares(titles)
    if len(shares) < 2 or min(shares) < _EQUAL * max(shares):
        yield "it says that items weigh the same, which do not"


@check("hardly")
def _hardly(arguments: Arguments, context: Context) -> Iterator[str]:
    if max(context.shares(arguments["title"].titles), default=1.0) >= _HARDLY:
        yield "it says that an item hardly weighs, which does"


@check("followed")
def _followed(arguments: Arguments, context: Context) -> Iterator[str]:
    """What comes next after others: weighs less than they do, and nothing else weighs more than it."""
    yield from _less(arguments, context)
    rest = _rest(arguments, context, "title", "less")
    if max(context.shares(rest), default=0.0) > min(context.shares(arguments["less"].titles), default=0.0):
        yield "it says that an item weighs next to another, and something else does"


@check("second")
def _second(arguments: Arguments, context: Context) -> Iterator[str]:
    """One title with the second largest effect."""
    shares = sorted((context.shares([frozenset({n})])[0] for n in _indices(context)), reverse=True)
    titles = arguments["title"].titles
    if len(titles) != 1 or len(shares) < 2 or context.shares(titles) != [shares[1]] or shares[1] >= shares[0]:
        yield "it says that an item weighs second most, which does not"


def _rest(arguments: Arguments, context: Context, *names: str) -> list[Title]:
    """Return the cited items that these arguments of a claim, its title at least, do not name."""
    named = {index for name in names or ("title",) for title in arguments[name].titles for index in title}
    return [frozenset({index}) for index in _indices(context) if index not in named]


def _indices(context: Context) -> range:
    return range(1, len(context.evidence.cited) + 1)
