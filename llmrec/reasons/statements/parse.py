"""Turn a marked sentence into claims: phrase by phrase, until whole parts are left or what is no claim."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from llmrec.reasons.evidence import Item
from llmrec.reasons.statements.grammar import RANGES, Grammar, Rule, argument_of
from llmrec.reasons.statements.nodes import PRIVATE, Claim, Marks, Node, Title

_WORD = re.compile("[\ue000-\uf8ff]|'s\\b|[a-z]+(?:['-][a-z]+)*|\\S")
_ENGLISH_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")
# A digit in a count ("两年") or a rank ("第二位"); "另一部" and "同一" count nothing.
_COUNTED_IN_CHINESE = re.compile(
    "(?<![第另同统唯一二三四五六七八九十])[一两二三四五六七八九十](?=[年部本件款人张])"
    "|(?<=第)[一二三四五六七八九十](?=[位名，。；])"
)
_MOST_PASSES = 12
# What a phrase does besides claiming: see ``_say`` and ``_described``.
_NO_CLAIM = frozenset(("plain", "too", "like", "one", "twofold"))
# "Four out of five people", not "of 93": those are counts.
_LARGEST_PART = 12
_PART = RANGES["part"]


class Parser:
    """Reads the sentences of one reason, in order: a pronoun may stand for a title of an earlier one."""

    def __init__(self, grammar: Grammar, marks: Marks, items: Iterable[Item]) -> None:
        self._grammar, self._marks = grammar, marks
        names = {name for item in items for name in item.metadata}
        kinds = grammar.kinds_of(names)
        self._columns = _column_words(grammar, names)
        self._items = {word: "items" if word.endswith("s") else "item" for one in kinds for word in one.items}
        # Longer phrases first: "listened to", "purchase history".
        replaced = [*grammar.replaced.items(), *(pair for one in kinds for pair in one.says.items())]
        self._replaced = sorted(replaced, key=lambda pair: -len(pair[0]))
        self._claims: list[Claim] = []
        self._lists: list[tuple[Title, ...]] = []
        # What titles are said to be, and those that are said to be one of these.
        self._said: list[Claim] = []
        self._ones: list[Node] = []
        self._earlier: list[tuple[Title, ...]] = []
        self._earlier_marks: list[str] = []
        self._column_marks: dict[tuple[str, ...], str] = {}

    def claims(self, sentence: str) -> tuple[list[Claim], str]:
        """Return what a marked sentence says, and what is left of it that says nothing: empty if all was read."""
        before, self._claims, self._lists, self._ones, self._said = self._said, [], [], [], []
        text = self._normal(sentence)
        explicit = text
        for rules in self._grammar.phases:
            text = self._reduced(rules, text)
        self._earlier_marks += PRIVATE.findall(explicit)
        self._earlier += [*self._mentions(explicit), *self._lists]
        return [*self._claims, *self._of_ones(before)], _left(text)

    def _of_ones(self, before: Sequence[Claim]) -> Iterator[Claim]:
        """Yield what "one" and "so is" say: all that the sentence, or else the one before it, says of others."""
        for title in self._ones:
            there = [one for one in self._said if one.arguments["title"].titles != title.titles]
            others = there or before
            if not others:
                yield Claim("one", {"title": title})
            for claim in others:
                yield replace(claim, arguments={**claim.arguments, "title": title})

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
            for phrase, other in self._replaced:
                text = text.replace(f" {phrase} ", f" {other} ")
            return "".join(f"{self._word(word)} " for word in text.split())
        text = "".join(words)
        for word, spelled in (*self._grammar.spelled.items(), *self._replaced):
            text = text.replace(word, spelled)
        text = _COUNTED_IN_CHINESE.sub(self._counted, text)
        for word in sorted(self._columns, key=len, reverse=True):
            text = text.replace(word, self._column(word))
        return text

    def _counted(self, match: re.Match[str]) -> str:
        number = self._grammar.numbers.get(match.group(), "")
        return self._marks.of("number", Node(number=number)) if number else match.group()

    def _word(self, word: str) -> str:
        if word in self._grammar.numbers:
            return self._marks.of("number", Node(number=self._grammar.numbers[word]))
        if word in self._grammar.ordinals:
            return f"{self._marks.of('number', Node(number=self._grammar.ordinals[word]))} th"
        if word[:-1] in self._grammar.ordinals:
            return f"{self._marks.of('number', Node(number=self._grammar.ordinals[word[:-1]]))} ths"
        return self._column(word) if word in self._columns else self._items.get(word, word)

    def _column(self, word: str) -> str:
        names = self._columns[word]
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
        marks = {argument_of(group): mark for group, mark in match.groupdict().items() if mark}
        arguments = {name: self._marks.nodes[mark] for name, mark in marks.items()}
        if rule.make == "list":
            return self._listed(rule.claims[0], match.group())
        if rule.make == "pronoun":
            return self._pronoun(rule.claims[0], text[: match.start()], arguments)
        if rule.make == "person":
            return self._person(rule.claims[0], text[: match.start()])
        if rule.make == "adjacent":
            return self._listed("value", match.group())
        if rule.make in ("rank", "fraction"):
            number = _number(rule, arguments)
            return self._marks.of(rule.make, Node(number=number)) if number else None
        if rule.claims == ("twofold",) and len(arguments["description"].values) != len("ab"):
            return None
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
        alike = "too" in kinds
        if "description" in arguments:
            said = _said(arguments["description"])
            several = [arguments["title"], *([arguments["other"]] if "like" in kinds else [])]
            self._said += [
                Claim(one.kind, {"title": of, **one.arguments}, one.alike or alike)
                for of in several
                for one in said
            ]
            self._claims += self._said[-len(several) * len(said) :] if said else []
        if "one" in kinds:
            self._ones.append(arguments["title"])
        self._claims += [Claim(kind, rest, alike) for kind in kinds if kind not in _NO_CLAIM]

    def _listed(self, sort: str, text: str) -> str | None:
        nodes = [self._marks.nodes[mark] for mark in PRIVATE.findall(text)]
        if sort == "value":
            values = tuple(value for node in nodes for value in node.values)
            if len(set(values)) < len(values):
                return None
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
            if not lists and str(len(single)) == n:
                lists = [tuple(title for one in single for title in one)]
        options = single if sort in ("single", "choice", "topic", "its") else lists
        if sort == "topic":
            options = [one for one in options if 0 in one[0]]
        if sort == "choice":
            options = [one for one in options if self._marks.sort_of(one) in ("cited", "again")]
        # The one named last is the nearest.
        order = [title for several in named for title in several]
        options.sort(key=lambda one: len(order) - order[::-1].index(one[0]))
        mark = self._marks.of(
            "single" if sort in ("single", "choice", "its") else "several", Node(antecedents=tuple(options))
        )
        return mark + self._grammar.owner if sort == "its" else mark

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


def _number(rule: Rule, arguments: Mapping[str, Node]) -> str:
    """Return the number of a rank or a fraction: as the phrase has it, or made of its numbers, "4/5".

    It is empty where it is none: a number with a mark of decimals, a part of more than twelve.
    """
    numbers = [node.number.replace(",", "") for node in arguments.values()]
    if rule.claims not in (("plain",), ("quarters",), ("percent",)):
        return rule.claims[0]
    if not all(map(str.isdigit, numbers)):
        return ""
    if rule.make == "rank":
        return numbers[0]
    if rule.claims != ("plain",):
        return f"{numbers[0]}/{4 if rule.claims == ('quarters',) else 100}"
    part, of = ("1", *numbers) if len(numbers) == 1 else numbers
    return f"{part}/{of}" if 0 < int(of) <= _LARGEST_PART else ""


def _described(kinds: Sequence[str], arguments: dict[str, Node]) -> tuple[Claim, ...]:
    """Return what a description says; one that is made of others says what they say."""
    said = tuple(claim for name in arguments if name.startswith("description") for claim in _said(arguments[name]))
    rest = {name: node for name, node in arguments.items() if not name.startswith("description")}
    if "too" in kinds:
        return tuple(replace(claim, alike=True) for claim in said)
    if "like" in kinds:
        return (
            *said,
            *(replace(claim, arguments={**claim.arguments, "title": arguments["other"]}) for claim in said),
        )
    return (*said, *(Claim(kind, rest) for kind in kinds if kind not in _NO_CLAIM))


def _said(node: Node) -> tuple[Claim, ...]:
    return (Claim("has", {"value": node}),) if node.values else node.claims


def _titles(node: Node) -> tuple[Title, ...]:
    """Return the titles of a node, of the nearest that a pronoun may stand for, or in what a description says."""
    if node.claims:
        return tuple(title for claim in node.claims for one in claim.arguments.values() for title in one.titles)
    return node.titles or (node.antecedents[-1] if node.antecedents else ())


def _column_words(grammar: Grammar, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return which columns a word speaks of."""
    words: dict[str, set[str]] = {}
    for column, several in grammar.columns.items():
        for word in several:
            words.setdefault(word, set()).add(column)
    for name in names:
        word = name.lower().replace("_", " ")
        if word not in grammar.words and _ENGLISH_WORD.fullmatch(word):
            words.setdefault(word, set()).add(name)
    return {word: tuple(sorted(columns)) for word, columns in words.items()}


def _left(text: str) -> str:
    whole = len(text.strip()) == 1 and _PART[0] <= ord(text[0]) < _PART[1]
    return "" if whole else text.strip()
