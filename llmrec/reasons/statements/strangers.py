"""Names, numbers, quoted texts and words that are neither in the evidence nor in the phrases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

from llmrec.reasons.evidence import Evidence
from llmrec.reasons.statements.grammar import Grammar
from llmrec.reasons.statements.nodes import PRIVATE, Marks

_QUOTED = re.compile(r'"[^"]*"|“[^”]*”|《[^》]*》|「[^」]*」')
_YEAR = re.compile("[0-9]{1,4}")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_HAN_RUN = re.compile("[\u4e00-\u9fff]+")
_PLAIN_MARKS = frozenset(" ,.;:!?%'’-–—()、，。；：！？（）")


def strangers(part: str, evidence: Evidence, grammar: Grammar) -> Iterator[str]:
    """Name what is in a marked sentence besides titles, values, numbers and words of the grammar."""
    for quote in _QUOTED.findall(part):
        yield f"it quotes {PRIVATE.sub('…', quote)}, which is not in the evidence"
    rest = PRIVATE.sub(" x ", _QUOTED.sub(" ", part))
    words = (
        grammar.words
        | {"x", "s"}
        | {name.lower() for item in (evidence.item, *evidence.cited) for name in item.metadata}
    )
    if not grammar.gap:
        rest = _HAN_RUN.sub(lambda run: _unread(run.group(), words), rest)
    for match in _WORD.finditer(rest):
        word = match.group()
        if word.lower().replace("’", "'") not in words:
            yield f"it says {word!r}, which is not in the evidence"
        elif word[0].isupper() and rest[: match.start()].strip():
            yield f"it names {word!r}, which is not in the evidence"
    odd = sorted({mark for mark in _WORD.sub("", rest) if mark not in _PLAIN_MARKS})
    if odd:
        yield f"it contains {''.join(odd)!r}"


def strange_numbers(part: str, marks: Marks, evidence: Evidence) -> Iterator[str]:
    """Name the numbers of a marked sentence that the evidence does not hold."""
    nodes = (marks.nodes[mark] for mark in PRIVATE.findall(part))
    known = set(_numbers(evidence))
    for number in (node.number for node in nodes if node.number):
        if not number.endswith("s") and _plain(number) not in known:
            yield f"it gives the number {number}, which is not in the evidence"


def _plain(number: str) -> float | None:
    """Return a number as written; None for what is none, "1.2.3"."""
    with suppress(ValueError):
        return float(number.replace(",", ""))
    return None


def _numbers(evidence: Evidence) -> Iterator[float]:
    values = [value for item in (evidence.item, *evidence.cited) for value in item.metadata.values()]
    for value in values:
        with suppress(ValueError):
            yield float(str(value))
    yield from (float(n) for fact in evidence.together for n in (fact.both, fact.chose))
    yield from (float(n) for fact in evidence.facts for n in (fact.count, fact.of))
    yield from (float(n) for n in (evidence.rank, *(one.rank_without for one in evidence.cited)))
    yield from map(float, range(len(evidence.cited) + 1))
    falls = [one.rank_without - evidence.rank for one in evidence.cited]
    years = [int(item.year) for item in (evidence.item, *evidence.cited) if _YEAR.fullmatch(item.year)]
    yield from (float(n) for n in (*falls, *(abs(one - other) for one in years for other in years)))
    yield from (float(round(100 * fact.both / fact.chose)) for fact in evidence.together if fact.chose)


def shown(left: str) -> str:
    """Write what could not be read as a person would see it."""
    return repr(" ".join(PRIVATE.sub("…", left).split()))


def _unread(run: str, words: frozenset[str]) -> str:
    """Return what is left of Chinese text after as much of it as words can cover from its start."""
    longest = max(map(len, words))
    reached = [True]
    for end in range(1, len(run) + 1):
        starts = range(max(0, end - longest), end)
        reached.append(any(reached[start] and run[start:end] in words for start in starts))
    return run[len(run) - reached[::-1].index(True) :]
