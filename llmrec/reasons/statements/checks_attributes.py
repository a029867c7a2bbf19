"""Checks of what titles are said to have or to have in common: values, makers, sequels; see checks_numbers."""

from __future__ import annotations

from collections.abc import Iterator

from llmrec.reasons.evidence import Item
from llmrec.reasons.facts import attributes
from llmrec.reasons.statements.checking import SUGGESTED, Arguments, Context, check
from llmrec.reasons.statements.checks_numbers import is_number
from llmrec.reasons.statements.nodes import Node, Title


@check("has")
def _has(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _lacking(arguments, context, None)


@check("has_column")
def _has_column(arguments: Arguments, context: Context) -> Iterator[str]:
    columns = set(arguments["column"].columns)
    if "columns" in arguments:
        columns &= set(arguments["columns"].columns)
    yield from _lacking(arguments, context, frozenset(columns))


@check("directed_by")
def _directed_by(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _lacking(arguments, context, frozenset({"director", "directors"}))


@check("written_by")
def _written_by(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _lacking(arguments, context, frozenset({"author", "authors", "writer", "writers"}))


@check("made_by")
def _made_by(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _lacking(arguments, context, context.grammar.makers)


def _lacking(arguments: Arguments, context: Context, columns: frozenset[str] | None) -> Iterator[str]:
    """Yield which titles lack which of the values, in the columns that are spoken of; None: in any."""
    value = arguments["value"]
    for text, by_column in zip(value.values, value.holders, strict=True):
        having = {n for name, some in by_column.items() if columns is None or name in columns for n in some}
        for title in _titles(arguments):
            lacking = sorted(title - having)
            if lacking:
                yield f"it says {text!r} of {context.items[lacking[0]].title!r}, which lacks it"


def _titles(arguments: Arguments) -> tuple[Title, ...]:
    return arguments["title"].titles + (arguments["other"].titles if "other" in arguments else ())


@check("same")
def _same(arguments: Arguments, context: Context) -> Iterator[str]:
    """Titles that have something in common: those that are said to, or one and all of its sentence."""
    titles = _titles(arguments)
    if len(titles) < 2:
        titles += (*context.named, SUGGESTED)
    titles = tuple(dict.fromkeys(titles))
    columns = arguments["column"].columns
    if "value" in arguments:
        yield from _lacking(
            {"title": Node(titles=titles), "value": arguments["value"]}, context, frozenset(columns)
        )
    pairs = [set(_pairs(context.items[n], columns)) for title in titles for n in title]
    shared = set.intersection(*pairs)
    if not shared or len(titles) < 2:
        yield f"it says that a {'genre' if 'genres' in columns else columns[0]} is shared, and none is"
    elif "number" in arguments and not any(is_number(value, arguments["number"].number) for _, value in shared):
        yield f"it says that {arguments['number'].number} is shared, which is not"


@check("same_both")
def _same_both(arguments: Arguments, context: Context) -> Iterator[str]:
    for name in ("column", "second"):
        yield from _same({**arguments, "column": arguments[name]}, context)


@check("same_decade")
def _same_decade(arguments: Arguments, context: Context) -> Iterator[str]:
    titles = _titles(arguments)
    if len(titles) < 2:
        titles += (*context.named, SUGGESTED)
    decades = {context.items[n].year[:-1] for title in titles for n in title}
    if len(decades) != 1 or "" in decades or len(set(titles)) < 2:
        yield "it says that titles are of the same decade, which are not"


def _pairs(item: Item, columns: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    yield from (pair for pair in attributes(item) if pair[0] in columns)
    if "price" in columns and "price" in item.metadata:
        yield "price", str(item.metadata["price"])


@check("sequel")
def _sequel(arguments: Arguments, context: Context) -> Iterator[str]:
    one, other = arguments["title"].titles, arguments["other"].titles
    if len(one) != 1 or len(other) != 1 or not _follows(one[0], other[0], context):
        yield f"it says that {context.said(one[0])} is the sequel to {context.said(other[0])}"


@check("prequel")
def _prequel(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _sequel({"title": arguments["other"], "other": arguments["title"]}, context)


@check("sequel_of_it")
def _sequel_of_it(arguments: Arguments, context: Context) -> Iterator[str]:
    one = arguments["title"].titles
    others = [title for title in dict.fromkeys(context.named) if title not in one]
    if len(one) != 1 or len(others) != 1 or not _follows(one[0], others[0], context):
        yield f"it says that {context.said(one[0])} is a sequel"


def _follows(one: Title, other: Title, context: Context) -> bool:
    cited = {context.items[n].item_id for n in one | other if n}
    kind = "sequel" if one == SUGGESTED else "prequel" if other == SUGGESTED else ""
    return any(fact.kind == kind and set(fact.item_ids) == cited for fact in context.evidence.facts)
