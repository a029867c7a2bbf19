"""The check of each kind of claim against the evidence. A new kind is a phrase in the grammar and a function here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from llmrec.reasons.evidence import Evidence, Item
from llmrec.reasons.facts import attributes
from llmrec.reasons.statements.grammar import Grammar
from llmrec.reasons.statements.nodes import Claim, Node, Title
from llmrec.reasons.wording import spoken

# "Above all" may be said of what has this share of the strongest one's effect, "a little" of what has less than it;
# a reason names at least one with such a share.
STRONG = 0.5
_EQUAL = 2 / 3


@dataclass(frozen=True)
class Context:
    """What a claim is checked against. ``named``: the titles of the sentence that it stands in, or of all sentences
    up to there where that names only one.
    """

    evidence: Evidence
    items: tuple[Item, ...]
    grammar: Grammar
    named: tuple[Title, ...] = ()

    def is_cited(self, title: Title) -> bool:
        """Whether a title may name a cited item."""
        return any(0 < index <= len(self.evidence.cited) for index in title)

    def shares(self, titles: Iterable[Title]) -> list[float]:
        """Return each cited item's effect as a share of the strongest one's."""
        cited = self.evidence.cited
        most = max((one.contribution for one in cited), default=0.0)
        some = [[cited[index - 1].contribution for index in title if 0 < index <= len(cited)] for title in titles]
        return [min(several, default=0.0) / most if most > 0 else 0.0 for several in some]

    def said(self, title: Title) -> str:
        """Return a title as faults name it."""
        return repr(self.items[min(title)].title)


# What fills the slots of one claim, once it is settled what its pronouns stand for.
Slots = Mapping[str, Node]
Check = Callable[[Slots, Context], Iterator[str]]
CHECKS: dict[str, Check] = {}


def check(*kinds: str) -> Callable[[Check], Check]:
    """Register a function as the check of some kinds of claims: it yields what is wrong."""

    def register(function: Check) -> Check:
        CHECKS.update(dict.fromkeys(kinds, function))
        return function

    return register


def faults_of(claim: Claim, context: Context) -> list[str]:
    """Return what is wrong with a claim. It must be right for whatever its pronouns may stand for."""
    options = [_options(name, node, claim, context) for name, node in claim.slots.items()]
    if not all(options):
        return ["it leaves open which item it speaks of"]
    faults: list[str] = []
    for nodes in product(*options):
        slots = dict(zip(claim.slots, nodes, strict=True))
        if claim.alike:
            slots["title"] = Node(titles=tuple(dict.fromkeys((*slots["title"].titles, *context.named, frozenset({0})))))
        faults += CHECKS[claim.kind](slots, context)
    return faults


def _options(name: str, node: Node, claim: Claim, context: Context) -> list[Node]:
    """Return what a node may stand for: itself, or each antecedent that no other slot of the claim names."""
    if node.titles or not (node.antecedents or _is_pronoun(node)):
        return [node]
    others = {title for slot in claim.slots.values() for title in slot.titles}
    options = [one for one in node.antecedents if not others & set(one)]
    if claim.kind in ("suggested", "again"):
        options = node.antecedents[-1:]
    elif name == "item":
        options = [one for one in options if one == (frozenset({0}),)] or options
    return [Node(titles=one) for one in options]


def _is_pronoun(node: Node) -> bool:
    return not (node.values or node.number or node.columns or node.claims)


@check("chosen", "cause")
def _chosen(slots: Slots, context: Context) -> Iterator[str]:
    if not all(map(context.is_cited, slots["title"].titles)):
        yield "it says that the suggested item was chosen before"


@check("suggested")
def _suggested(slots: Slots, context: Context) -> Iterator[str]:
    titles = slots["item" if "item" in slots else "title"].titles
    if len(titles) != 1 or 0 not in titles[0]:
        yield "it says that a chosen item is suggested"


@check("again")
def _again(slots: Slots, context: Context) -> Iterator[str]:
    yield from _suggested(slots, context)
    yield from _chosen(slots, context)


@check("repeated")
def _repeated(slots: Slots, context: Context) -> Iterator[str]:
    titles = slots["title"].titles
    yield from (f"it names {context.said(one)} more than once" for one in dict.fromkeys(titles) if titles.count(one) > 1)


@check("general")
def _general(slots: Slots, context: Context) -> Iterator[str]:
    yield from _suggested(slots, context)
    if context.evidence.cited:
        yield "it says that no item raised the score, and one did"


@check("rather")
def _rather(slots: Slots, context: Context) -> Iterator[str]:
    yield from _suggested(slots, context)
    rival = context.evidence.rival
    if rival is None or not any(context.items[index] is rival for index in slots["rival"].titles[0]):
        yield "it does not say once that it is rather than " + (repr(spoken(rival.title)) if rival else "another")


@check("rather_general")
def _rather_general(slots: Slots, context: Context) -> Iterator[str]:
    yield from _rather(slots, context)
    yield from _general(slots, context)


@check("most")
def _most(slots: Slots, context: Context) -> Iterator[str]:
    """What weighs most: nothing else weighs more, and each has half of the strongest one's effect."""
    yield from _chosen(slots, context)
    titles = slots["title"].titles
    shares = context.shares(titles)
    named = {index for title in titles for index in title}
    rest = [frozenset({index}) for index in range(1, len(context.evidence.cited) + 1) if index not in named]
    if min(shares, default=0.0) < max(STRONG, *context.shares(rest), 0.0):
        yield "it says that an item weighs most, which does not"


@check("most_same")
def _most_same(slots: Slots, context: Context) -> Iterator[str]:
    yield from _most(slots, context)
    yield from _same({**slots, "other": Node(titles=(frozenset({0}),))}, context)


@check("little")
def _little(slots: Slots, context: Context) -> Iterator[str]:
    yield from _chosen(slots, context)
    if max(context.shares(slots["title"].titles), default=1.0) >= STRONG:
        yield "it says that an item weighs a little, which weighs much"


@check("less")
def _less(slots: Slots, context: Context) -> Iterator[str]:
    yield from _chosen(slots, context)
    more, less = (context.shares(slots[name].titles) for name in ("title", "less"))
    if not all(map(context.is_cited, slots["less"].titles)) or min(more) <= max(less):
        yield "it says that an item weighs less than another, which does not"


@check("little_beside")
def _little_beside(slots: Slots, context: Context) -> Iterator[str]:
    yield from _less(slots, context)
    yield from _little({"title": slots["less"]}, context)


@check("led_little")
def _led_little(slots: Slots, context: Context) -> Iterator[str]:
    yield from _led_less(slots, context)
    yield from _little({"title": slots["less"]}, context)


@check("cause_named")
def _cause_named(slots: Slots, context: Context) -> Iterator[str]:
    """What is true of the suggested item alone is no reason: a chosen one must be named with it."""
    if not any(context.is_cited(title) for title in slots["title"].titles):
        yield "it gives a reason that names no chosen item"


@check("led")
def _led(slots: Slots, context: Context) -> Iterator[str]:
    yield from _suggested(slots, context)
    yield from _chosen(slots, context)


@check("led_most")
def _led_most(slots: Slots, context: Context) -> Iterator[str]:
    yield from _suggested(slots, context)
    yield from _most(slots, context)


@check("led_less")
def _led_less(slots: Slots, context: Context) -> Iterator[str]:
    yield from _led_most(slots, context)
    yield from _less(slots, context)


@check("led_equal")
def _led_equal(slots: Slots, context: Context) -> Iterator[str]:
    yield from _led(slots, context)
    shares = context.shares(slots["title"].titles)
    if len(shares) < 2 or min(shares) < _EQUAL * max(shares):
        yield "it says that items weigh the same, which do not"


@check("two")
def _two(slots: Slots, context: Context) -> Iterator[str]:
    if len(slots["title"].titles) != 2:
        yield "it speaks of two items where it names others"


@check("many")
def _many(slots: Slots, context: Context) -> Iterator[str]:
    if len(slots["title"].titles) < 2:
        yield "it speaks of several items where it names one"


@check("chosen_count")
def _chosen_count(slots: Slots, context: Context) -> Iterator[str]:
    n = len(slots["title"].titles)
    yield from _chosen(slots, context)
    if float(slots["number"].number) != n:
        yield f"it counts {slots['number'].number} items where it names {n}"


@check("has")
def _has(slots: Slots, context: Context) -> Iterator[str]:
    yield from _lacking(slots, context, None)


@check("has_column")
def _has_column(slots: Slots, context: Context) -> Iterator[str]:
    yield from _lacking(slots, context, frozenset(slots["column"].columns))


@check("directed_by", "directed_both")
def _directed(slots: Slots, context: Context) -> Iterator[str]:
    yield from _made(slots, context, frozenset({"director", "directors"}))


@check("written_by")
def _written(slots: Slots, context: Context) -> Iterator[str]:
    yield from _made(slots, context, frozenset({"author", "authors", "writer", "writers"}))


@check("made_by", "made_by_both")
def _made_by(slots: Slots, context: Context) -> Iterator[str]:
    yield from _made(slots, context, context.grammar.makers)


@check("column_both")
def _column_both(slots: Slots, context: Context) -> Iterator[str]:
    yield from _made(slots, context, frozenset(slots["column"].columns) & frozenset(slots["columnb"].columns))


def _made(slots: Slots, context: Context, columns: frozenset[str]) -> Iterator[str]:
    titles = slots["title"].titles
    if "other" in slots:
        titles += slots["other"].titles
    yield from _lacking({**slots, "title": Node(titles=titles)}, context, columns)


def _lacking(slots: Slots, context: Context, columns: frozenset[str] | None) -> Iterator[str]:
    """Yield which titles lack which of the values, in the columns that are spoken of."""
    for value, by_column in zip(slots["value"].values, slots["value"].holders, strict=True):
        having = frozenset[int]().union(*(some for name, some in by_column.items() if not columns or name in columns))
        for title in slots["title"].titles:
            lacking = sorted(title - having)
            if lacking:
                yield f"it says {value!r} of {context.items[lacking[0]].title!r}, which lacks it"


@check("same")
def _same(slots: Slots, context: Context) -> Iterator[str]:
    """Titles that have something in common: those named with it, or all of the sentence."""
    titles = slots["title"].titles
    if "other" in slots:
        titles += slots["other"].titles
    elif len(titles) < 2:
        titles += (*context.named, frozenset({0}))
    titles = tuple(dict.fromkeys(titles))
    columns = slots["column"].columns
    if "value" in slots:
        yield from _lacking({**slots, "title": Node(titles=titles)}, context, frozenset(columns))
        return
    shared = set.intersection(*({pair for pair in _pairs(context.items[n]) if pair[0] in columns} for t in titles for n in t))
    if not shared or len(titles) < 2:
        yield f"it says that a {_column_name(columns)} is shared, and none is"
    if "number" in slots and not any(_is_number(value, slots["number"].number) for _, value in shared):
        yield f"it says that {slots['number'].number} is shared, which is not"


def _pairs(item: Item) -> Iterator[tuple[str, str]]:
    yield from attributes(item)
    if "price" in item.metadata:
        yield "price", str(item.metadata["price"])


def _column_name(columns: tuple[str, ...]) -> str:
    return "genre" if "genres" in columns else columns[0]


@check("year")
def _year(slots: Slots, context: Context) -> Iterator[str]:
    yield from _numbers(slots, context, "year")


@check("price")
def _price(slots: Slots, context: Context) -> Iterator[str]:
    yield from _numbers(slots, context, "price")


def _numbers(slots: Slots, context: Context, column: str) -> Iterator[str]:
    number = slots["number"].number
    for title in slots["title"].titles:
        lacking = [n for n in sorted(title) if not _is_number(str(context.items[n].metadata.get(column, "")), number)]
        if lacking:
            yield f"it says {number!r} of {context.items[lacking[0]].title!r}, which lacks it"


def _is_number(text: str, number: str) -> bool:
    """Whether a text is a number, or a year of a decade: "278.0" is 278, 1979 is of the 1970s."""
    try:
        if number.endswith("s"):
            return float(text) // 10 == float(number[:-1]) // 10
        return float(text) == float(number.replace(",", ""))
    except ValueError:
        return False


@check("newer")
def _newer(slots: Slots, context: Context) -> Iterator[str]:
    yield from _ordered(slots["title"], slots["other"], context)


@check("older")
def _older(slots: Slots, context: Context) -> Iterator[str]:
    yield from _ordered(slots["other"], slots["title"], context)


def _ordered(newer: Node, older: Node, context: Context) -> Iterator[str]:
    years = [[context.items[n].year for title in node.titles for n in title] for node in (older, newer)]
    if not all(year.isdigit() for several in years for year in several) or max(years[0]) >= min(years[1]):
        yield "it says that an item is newer than another, which is not"


@check("sequel")
def _sequel(slots: Slots, context: Context) -> Iterator[str]:
    one, other = slots["title"].titles, slots["other"].titles
    if len(one) != 1 or len(other) != 1 or not _follows(one[0], other[0], context):
        yield f"it says that {context.said(one[0])} is the sequel to {context.said(other[0])}"


@check("sequel_of_it")
def _sequel_of_it(slots: Slots, context: Context) -> Iterator[str]:
    yield from _suggested(slots, context)
    others = [title for title in dict.fromkeys(context.named) if title != slots["title"].titles[0]]
    if len(others) != 1 or not _follows(slots["title"].titles[0], others[0], context):
        yield "it says that the suggested item is a sequel"


def _follows(one: Title, other: Title, context: Context) -> bool:
    cited = {context.items[n].item_id for n in one | other if n}
    kind = "sequel" if one == frozenset({0}) else "prequel" if other == frozenset({0}) else ""
    return any(fact.kind == kind and set(fact.item_ids) == cited for fact in context.evidence.facts)


@check("people")
def _people(slots: Slots, context: Context) -> Iterator[str]:
    titles, item = slots["title"].titles, slots["item"].titles
    chose, both = (slots[name].number for name in ("chose", "both"))
    cited = {context.items[n].item_id for title in titles for n in title if n}
    known = {(fact.item_id, str(fact.chose), str(fact.both)) for fact in context.evidence.together}
    right = len(titles) == 1 and item == (frozenset({0}),) and context.is_cited(titles[0])
    if not right or not any((one, chose, both) in known for one in cited):
        yield "it gives a count of people that is not in the evidence"


@check("rank")
def _rank(slots: Slots, context: Context) -> Iterator[str]:
    now = context.evidence.rank
    if slots["item"].titles != (frozenset({0}),) or not now or slots["now"].number != str(now):
        yield "it gives a rank that is not in the evidence"


@check("rank_without")
def _rank_without(slots: Slots, context: Context) -> Iterator[str]:
    titles = slots["title"].titles
    cited = context.evidence.cited
    ranks = {cited[n - 1].rank_without for title in titles for n in title if 0 < n <= len(cited)}
    if len(titles) != 1 or slots["item"].titles != (frozenset({0}),) or {str(n) for n in ranks} != {slots["number"].number}:
        yield "it gives a rank without an item that is not in the evidence"
    if "now" in slots:
        yield from _rank(slots, context)
