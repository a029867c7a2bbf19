"""Checks of how many people chose one item and another: counts, and shares such as "half of"."""

from __future__ import annotations

from collections.abc import Iterator

from llmrec.reasons.evidence import Together
from llmrec.reasons.statements.checking import SUGGESTED, Arguments, Context, check
from llmrec.reasons.statements.nodes import Title

# "Two thirds" may be off by this, percents by half of one; "more than a third" is not said of nearly all.
_ROUGHLY, _OF_PERCENTS, _FAR_MORE = 0.02, 0.0051, 0.17
_NEARLY, _EXACTLY = 0.05, 1e-9


@check("people")
def _people(arguments: Arguments, context: Context) -> Iterator[str]:
    chose, both = (_plain(arguments[name].number) for name in ("chose", "both"))
    if not any((str(one.chose), str(one.both)) == (chose, both) for one in _known(arguments, context)):
        yield "it gives a count of people that is not in the evidence"


@check("people_both")
def _people_both(arguments: Arguments, context: Context) -> Iterator[str]:
    """Titles that so many chose, all of them: the suggested item and a cited one."""
    titles = arguments["title"].titles + (arguments["item"].titles if "item" in arguments else ())
    cited = tuple(title for title in titles if title != SUGGESTED)
    both = _plain(arguments["both"].number)
    named = len(cited) == 1 and len(titles) == 2
    if not named or not any(str(one.both) == both for one in _of(cited, context)):
        yield "it gives a count of people that is not in the evidence"


@check("half")
def _half(arguments: Arguments, context: Context) -> Iterator[str]:
    yield from _shares(arguments, context, 0.5, 1.0)


@check("share")
def _share(arguments: Arguments, context: Context) -> Iterator[str]:
    share, of = _fraction(arguments["fraction"].number)
    off = _OF_PERCENTS if of == 100 else _ROUGHLY
    yield from _shares(arguments, context, share - off, share + off)


@check("share_exact")
def _share_exact(arguments: Arguments, context: Context) -> Iterator[str]:
    share, _ = _fraction(arguments["fraction"].number)
    yield from _shares(arguments, context, share - _EXACTLY, share + _EXACTLY)


@check("share_more")
def _share_more(arguments: Arguments, context: Context) -> Iterator[str]:
    share, _ = _fraction(arguments["fraction"].number)
    yield from _shares(arguments, context, share, share + _FAR_MORE)


@check("share_well")
def _share_well(arguments: Arguments, context: Context) -> Iterator[str]:
    """Well over a share: by more than what "nearly" may be off."""
    share, _ = _fraction(arguments["fraction"].number)
    yield from _shares(arguments, context, share + _NEARLY, 1.0 + _EXACTLY)


@check("share_less")
def _share_less(arguments: Arguments, context: Context) -> Iterator[str]:
    share, _ = _fraction(arguments["fraction"].number)
    yield from _shares(arguments, context, share - _FAR_MORE, share)


@check("share_nearly")
def _share_nearly(arguments: Arguments, context: Context) -> Iterator[str]:
    share, _ = _fraction(arguments["fraction"].number)
    yield from _shares(arguments, context, share - _NEARLY, share)


def _shares(arguments: Arguments, context: Context, low: float, high: float) -> Iterator[str]:
    chose = _plain(arguments["chose"].number) if "chose" in arguments else ""
    known = [one for one in _known(arguments, context) if not chose or str(one.chose) == chose]
    if not any(low < one.both / one.chose < high for one in known if one.chose):
        yield "it gives a share of people that is not in the evidence"


def _known(arguments: Arguments, context: Context) -> list[Together]:
    return _of(arguments["title"].titles, context) if arguments["item"].titles == (SUGGESTED,) else []


def _of(titles: tuple[Title, ...], context: Context) -> list[Together]:
    """Return the counts of one cited item."""
    if len(titles) != 1 or not context.is_cited(titles[0]):
        return []
    cited = {context.items[n].item_id for n in titles[0] if n}
    return [one for one in context.evidence.together if one.item_id in cited]


def _fraction(text: str) -> tuple[float, int]:
    part, _, of = text.partition("/")
    return float(part) / max(1.0, float(of)), int(float(of))


def _plain(number: str) -> str:
    return number.replace(",", "")
