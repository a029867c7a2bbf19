"""What the marks in a reason stand for: titles, values, numbers, and the phrases that were made of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from llmrec.reasons.statements.grammar import RANGES

PRIVATE = re.compile("[\ue000-\uf8ff]")
# The items that one title may name, by index: more than one where two have the same title.
Title = frozenset[int]


@dataclass(frozen=True, eq=False)
class Node:
    """What one mark means. ``titles``: of a title, a list of them or a phrase about them. ``antecedents``: the
    lists of titles that a pronoun may stand for, the nearest last. ``values``, ``holders``: of each value, the
    items that have it, by column. ``claims``: what a description says of the title that it will be said of.
    """

    titles: tuple[Title, ...] = ()
    antecedents: tuple[tuple[Title, ...], ...] = ()
    values: tuple[str, ...] = ()
    holders: tuple[Mapping[str, frozenset[int]], ...] = ()
    number: str = ""
    columns: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One thing that a reason says: its kind and what fills its arguments. ``alike``: said of others, too."""

    kind: str
    arguments: Mapping[str, Node] = field(default_factory=dict)
    alike: bool = False


class Marks:
    """Gives each title, value, number and phrase of a reason a mark of the range of its sort."""

    def __init__(self, n_cited: int, rival: int | None) -> None:
        self.nodes: dict[str, Node] = {}
        self._n_cited, self._rival = n_cited, rival
        self._used: dict[str, int] = {}
        self._titles: dict[Title, str] = {}

    def of(self, sort: str, node: Node) -> str:
        """Return a new mark. Raises OverflowError where a reason has more than 255 of a sort."""
        start, stop = RANGES[sort]
        self._used[sort] = code = self._used.get(sort, start - 1) + 1
        if code >= stop:
            raise OverflowError(f"more than {stop - start} marks of the sort {sort}")
        self.nodes[chr(code)] = node
        return chr(code)

    def of_title(self, title: Title) -> str:
        """Return the mark of a title; the same for the same items."""
        if title not in self._titles:
            self._titles[title] = self.of(self.sort_of((title,)), Node(titles=(title,)))
        return self._titles[title]

    def sort_of(self, titles: tuple[Title, ...]) -> str:
        """Return the sort of a list of titles: by whether each may be the suggested item or a cited one."""
        item = [0 in title for title in titles]
        cited = [any(0 < index <= self._n_cited for index in title) for title in titles]
        if all(cited):
            return "again" if all(item) else "cited"
        if all(item):
            return "item"
        return "rival" if titles == (frozenset({self._rival}),) else "mixed"
