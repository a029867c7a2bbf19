"""Turn a marked sentence into claims: phrase by phrase, until whole parts are left or what is no claim."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from llmrec.reasons.evidence import Item
from llmrec.reasons.statements.grammar import RANGES, Grammar, Rule
from llmrec.reasons.statements.nodes import PRIVATE, Claim, Marks, Node, Title

_WORD = re.compile("[\ue000-\uf8ff]|'s\\b|[a-z]+(?:['-][a-z]+)*|\\S")
_ENGLISH_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")
_MOST_PASSES = 12
_PART = RANGES["part"]


class Parser:
    """Reads the sentences of one reason, in order: a pronoun may stand for a title of an earlier one."""

    def __init__(self, grammar: Grammar, marks: Marks, items: Iterable[Item]) -> None:
        self._grammar, self._marks = grammar, marks
        self._columns = _column_words(grammar, items)
        self._claims: list[Claim] = []
        self._lists: list[tuple[Title, ...]] = []
        self._earlier: list[tuple[Title, ...]] = []
        self._earlier_marks: list[str] = []
        self._column_marks: dict[tuple[str, ...], str] = {}

    def claims(self, sentence: str) -> tuple[list[Claim], str]:
        """Return what a marked sentence says, and what is left of it that says nothing: empty if all was read."""
        self._claims, self._lists = [], []
        text = self._normal(sentence)
        explicit = text
        for rules in self._grammar.phases:
            text = self._reduced(rules, text)
        self._earlier_marks += PRIVATE.findall(explicit)
        self._earlier += [*self._mentions(explicit), *self._lists]
        return self._claims, _left(text)

    def _reduced(self, rules: Iterable[Rule], text: str) -> str:
        """Apply phrases, in their order, until nothing changes."""
        for _ in range(_MOST_PASSES):
            before = text
            for rule in rules:
                if rule.needs in text:
                    text = self._applied(rule, text)
            if text == before:
                break
        return text

    def _normal(self, sentence: str) -> str:
        """Write a sentence in lower case, with a gap behind each word, and columns as marks."""
        words = _WORD.findall(sentence.lower().replace("’", "'").replace("(", "（").replace(")", "）"))
        words = [part for word in words for part in self._grammar.spelled.get(word, word).split()]
        if self._grammar.gap:
            text = f" {' '.join(words)} "
            for phrase, other in self._grammar.replaced.items():
                text = text.replace(f" {phrase} ", f" {other} ")
            return "".join(f"{self._word(word)} " for word in text.split())
        text = "".join(words)
        for word, spelled in self._grammar.spelled.items():
            text = text.replace(word, spelled)
        for word in sorted(self._columns, key=len, reverse=True):
            text = text.replace(word, self._column(word))
        return text

    def _word(self, word: str) -> str:
        if word in self._grammar.numbers:
            return self._marks.of("number", Node(number=self._grammar.numbers[word]))
        return self._column(word) if word in self._columns else word

    def _column(self, word: str) -> str:
        names = self._columns[word]
        if names in ((">item",), (">items",)):
            return names[0][1:]
        if names not in self._column_marks:
            self._column_marks[names] = self._marks.of("column", Node(columns=names))
        return self._column_marks[names]

    def _applied(self, rule: Rule, text: str) -> str:
        position = 0
        while match := rule.pattern.search(text, position):
            made = self._made(rule, match, text)
            position = match.end()
            if made is not None:
                text = text[: match.start()] + made + self._grammar.gap + text[match.end() :]
                # The same phrase may go on: "A from 1990 by Acme".
                position = match.start()
            if made == match.group().strip():
                return text
        return text

    def _made(self, rule: Rule, match: re.Match[str], text: str) -> str | None:
        """Return the mark of what a match is; None where it is not what it looks like."""
        marks = {name: mark for name, mark in match.groupdict().items() if mark}
        arguments = {name: self._marks.nodes[mark] for name, mark in marks.items()}
        if rule.make == "list":
            return self._listed(rule.claims[0], match.group())
        if rule.make == "pronoun":
            return self._pronoun(rule.claims[0], text[: match.start()], arguments)
        if rule.make == "person":
            return self._person(rule.claims[0], text[: match.start()])
        if rule.make in ("modifier", "predicate"):
            return self._marks.of(rule.make, Node(claims=_described(rule.claims, arguments)))
        if rule.claims == ("two",) and len(_titles(arguments["title"])) < 2:
            return None
        self._say(rule.claims, arguments)
        if rule.make == "name":
            return marks["title"]
        if rule.make == "pair":
            return self._listed(
                "title", "".join(mark for name, mark in marks.items() if name in ("title", "less"))
            )
        if rule.make == "names":
            self._say((), {"title": arguments["other"], "description": arguments["descriptionb"]})
            return self._listed("title", marks["title"] + marks["other"])
        titles = tuple(dict.fromkeys(title for node in arguments.values() for title in _titles(node)))
        return self._marks.of(rule.make, Node(titles=titles))

    def _say(self, kinds: Sequence[str], arguments: dict[str, Node]) -> None:
        """Note a claim; with a description of a title, what that says of it, too."""
        rest = {name: node for name, node in arguments.items() if not name.startswith("description")}
        if "description" in arguments:
            said = _said(arguments["description"])
            several = [arguments["title"], *([arguments["other"]] if "like" in kinds else [])]
            self._claims += [
                replace(one, arguments={"title": of, **one.arguments}) for of in several for one in said
            ]
        alike = "too" in kinds
        self._claims += [Claim(kind, rest, alike) for kind in kinds if kind not in ("plain", "like", "too")]

    def _listed(self, sort: str, text: str) -> str:
        nodes = [self._marks.nodes[mark] for mark in PRIVATE.findall(text)]
        if sort == "value":
            values = tuple(value for node in nodes for value in node.values)
            return self._marks.of(
                "value", Node(values=values, holders=tuple(h for node in nodes for h in node.holders))
            )
        titles = tuple(title for node in nodes for title in _titles(node))
        if len(set(titles)) < len(titles):
            self._claims.append(Claim("repeated", {"title": Node(titles=titles)}))
        self._lists.append(titles)
        return self._marks.of(self._marks.sort_of(titles), Node(titles=titles))

    def _pronoun(self, sort: str, left: str, arguments: Mapping[str, Node]) -> str | None:
        named = [*self._earlier, *self._mentions(left)]
        single = list(dict.fromkeys((title,) for several in named for title in several))
        lists = list(dict.fromkeys(several for several in named if len(several) > 1))
        if sort in ("several", "both", "counted") and not lists and len(single) > 1:
            lists = [tuple(title for one in single for title in one)]
        if sort in ("both", "counted"):
            n = "2" if sort == "both" else arguments["number"].number
            lists = [several for several in lists if str(len(several)) == n]
        options = single if sort in ("single", "choice", "topic") else lists
        if sort == "topic":
            options = [one for one in options if 0 in one[0]]
        if sort == "choice":
            options = [one for one in options if self._marks.sort_of(one) in ("cited", "again")]
        # The one named last is the nearest.
        order = [title for several in named for title in several]
        options.sort(key=lambda one: len(order) - order[::-1].index(one[0]))
        return self._marks.of(
            "single" if sort in ("single", "choice") else "several", Node(antecedents=tuple(options))
        )

    def _person(self, sort: str, left: str) -> str | None:
        """Return the mark of the person named last: he, she, his or her."""
        marks: list[str] = [*self._earlier_marks, *PRIVATE.findall(left)]
        for mark in reversed(marks):
            holders = self._marks.nodes[mark].holders
            if len(holders) == 1 and self._grammar.people & set(holders[0]):
                return mark + self._grammar.owner if sort == "owner" else mark
        return None

    def _mentions(self, text: str) -> list[tuple[Title, ...]]:
        nodes = (self._marks.nodes[mark] for mark in PRIVATE.findall(text))
        return [node.titles for node in nodes if node.titles]


def _described(kinds: Sequence[str], arguments: dict[str, Node]) -> tuple[Claim, ...]:
    """Return what a description says; one that is made of others says what they say."""
    said = tuple(claim for name in arguments if name.startswith("description") for claim in _said(arguments[name]))
    if "too" in kinds:
        return tuple(replace(claim, alike=True) for claim in said)
    if "like" in kinds:
        return (
            *said,
            *(replace(claim, arguments={**claim.arguments, "title": arguments["other"]}) for claim in said),
        )
    rest = {name: node for name, node in arguments.items() if not name.startswith("description")}
    return (*said, *(Claim(kind, rest) for kind in kinds if kind != "plain"))


def _said(node: Node) -> tuple[Claim, ...]:
    return (Claim("has", {"value": node}),) if node.values else node.claims


def _titles(node: Node) -> tuple[Title, ...]:
    """Return the titles of a node, of the nearest that a pronoun may stand for, or in what a description says."""
    if node.claims:
        return tuple(title for claim in node.claims for one in claim.arguments.values() for title in one.titles)
    return node.titles or (node.antecedents[-1] if node.antecedents else ())


def _column_words(grammar: Grammar, items: Iterable[Item]) -> dict[str, tuple[str, ...]]:
    """Return which columns a word speaks of; ">item" for what an item of such a catalog is called."""
    names = {name for item in items for name in item.metadata}
    words: dict[str, set[str]] = {}
    for column, several in grammar.columns.items():
        for word in several:
            words.setdefault(word, set()).add(column)
    for name in names:
        word = name.lower().replace("_", " ")
        if word not in grammar.words and _ENGLISH_WORD.fullmatch(word):
            words.setdefault(word, set()).add(name)
    result = {word: tuple(sorted(columns)) for word, columns in words.items()}
    for column, several in grammar.nouns.items():
        if column in names:
            result |= {word: (">items" if word.endswith("s") else ">item",) for word in several}
    return result


def _left(text: str) -> str:
    whole = len(text.strip()) == 1 and _PART[0] <= ord(text[0]) < _PART[1]
    return "" if whole else text.strip()
