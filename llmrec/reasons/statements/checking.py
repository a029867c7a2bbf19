"""The registry of checks: a new kind of claim is a phrase in the grammar and a function registered here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from llmrec.reasons.evidence import Evidence, Item
from llmrec.reasons.statements.grammar import Grammar
from llmrec.reasons.statements.nodes import Claim, Node, Title

# "Above all" may be said of what has this share of the strongest one's effect; a reason names at least one such.
STRONG = 0.5
SUGGESTED: Title = frozenset({0})


@dataclass(frozen=True)
class Context:
    """What a claim is checked against.

    ``named``: the titles of its sentence, or of all up to it if it has one; ``reasons``: those given as reasons.
    """

    evidence: Evidence
    items: tuple[Item, ...]
    grammar: Grammar
    named: tuple[Title, ...] = ()
    reasons: tuple[Title, ...] = ()

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


# What fills the arguments of one claim, once it is settled what its pronouns stand for.
Arguments = Mapping[str, Node]
ClaimCheck = Callable[[Arguments, Context], Iterator[str]]
CHECKS: dict[str, ClaimCheck] = {}


def check(*kinds: str) -> Callable[[ClaimCheck], ClaimCheck]:
    """Register a function as the check of some kinds of claims: it yields what is wrong."""

    def register(function: ClaimCheck) -> ClaimCheck:
        CHECKS.update(dict.fromkeys(kinds, function))
        return function

    return register


def faults_of(claim: Claim, context: Context) -> list[str]:
    """Return what is wrong with a claim. It must be right for whatever its pronouns may stand for."""
    options = [_options(name, node, claim, context) for name, node in claim.arguments.items()]
    if not all(options):
        return ["it leaves open which item it speaks of"]
    faults: list[str] = []
    for nodes in product(*options):
        arguments = dict(zip(claim.arguments, nodes, strict=True))
        if claim.alike:
            titles = (*arguments["title"].titles, *context.named, SUGGESTED)
            arguments["title"] = Node(titles=tuple(dict.fromkeys(titles)))
        faults += CHECKS[claim.kind](arguments, context)
    return faults


def _options(name: str, node: Node, claim: Claim, context: Context) -> list[Node]:
    """Return what a node may stand for: itself, or each antecedent that no other argument of the claim names."""
    if node.titles or not (node.antecedents or _is_pronoun(node)):
        return [node]
    others = {title for argument in claim.arguments.values() for title in argument.titles}
    options: Sequence[tuple[Title, ...]] = [one for one in node.antecedents if not others & set(one)]
    if claim.kind == "suggested":
        options = node.antecedents[-1:]
    elif name == "item":
        options = [one for one in options if one == (SUGGESTED,)] or options
    return [Node(titles=one) for one in options]


def _is_pronoun(node: Node) -> bool:
    return not (node.values or node.number or node.columns or node.claims)
