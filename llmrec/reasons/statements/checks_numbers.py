"""Checks of years and prices: which they are, which is the newer or the cheaper one, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress

from llmrec.reasons.statements.checking import Arguments, Context, check
from llmrec.reasons.statements.nodes import Node


@check("year")
def _year(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _numbers(arguments, context, "year")


@check("price")
def _price(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _numbers(arguments, context, "price")


def _numbers(arguments: Arguments, context: Context, column: str) -> Iterator[str]:
    number = arguments["number"].number
    for item in (context.items[n] for title in arguments["title"].titles for n in sorted(title)):
        if not is_number(str(item.metadata.get(column, "")), number):
            yield f"it says {number!r} of {item.title!r}, which lacks it"


def is_number(text: str, number: str) -> bool:
    """Whether a text is a number, or a year of a decade: "278.0" is 278, 1979 is of the 1970s and of the 70s.

    >>> is_number("278.0", "278"), is_number("1979", "1970s"), is_number("1979", "70s"), is_number("1979", "1980s")
    (True, True, True, False)
    """
    try:
        if number.endswith("0s"):
            decade = float(number[:-1]) // 10
            return float(text) // 10 == (decade + 190 if decade < 10 else decade)
        return float(text) == float(number.replace(",", "")) < math.inf
    except ValueError:
        return False


@check("newer")
def _newer(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _ordered("year", arguments["title"], arguments["other"], context, arguments.get("years"))


@check("older")
def _older(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _ordered("year", arguments["other"], arguments["title"], context, arguments.get("years"))


@check("dearer")
def _dearer(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _ordered("price", arguments["title"], arguments["other"], context)


@check("cheaper")
def _cheaper(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _ordered("price", arguments["other"], arguments["title"], context)


@check("same_price")
def _same_price(arguments: Arguments, context: Context) -> Iterator[str]:
    nodes = [arguments[name] for name in ("title", "other") if name in arguments]
    amounts = [_amounts("price", node, context) for node in nodes]
    prices = [price for some in amounts for price in some]
    if not all(amounts) or len(prices) < len("ab") or len(set(prices)) > 1:
        yield "it says that titles cost the same, which do not"


def _ordered(
    column: str, more: Node, less: Node, context: Context, difference: Node | None = None
) -> Iterator[str]:
    """Check that all of some titles have more than all of others, and by how much if that is said."""
    low, high = (_amounts(column, node, context) for node in (less, more))
    right = bool(low) and bool(high) and max(low, default=0) < min(high, default=0)
    if right and difference is not None:
        right = all(is_number(str(y - x), difference.number) for x in low for y in high)
    if not right:
        yield f"it compares a {column} with another, which the evidence does not bear out"


def _amounts(column: str, node: Node, context: Context) -> list[float]:
    """Return the number that each title has in a column; none where one has none."""
    amounts: list[float] = []
    with suppress(ValueError):
        amounts = [float(str(context.items[n].metadata.get(column, ""))) for title in node.titles for n in title]
    return amounts if all(map(math.isfinite, amounts)) else []
