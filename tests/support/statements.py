"""Sentences labelled by hand and the evidence they are about, from `tests/reasons/statements`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from llmrec.prompting import Language
from llmrec.reasons import Cited, Evidence, Item, Shared, Together
from llmrec.reasons.evidence import Pair
from llmrec.reasons.fact import Fact
from llmrec.reasons.facts import attributes
from llmrec.reasons.request import ReasonForm

FOLDER = Path(__file__).parents[1] / "reasons" / "statements"
_MORE = tuple(FOLDER / name for name in ("development.yaml", "development_freer.yaml"))
_NO_METADATA = {"id", "title", "weight", "without_rank"}


@dataclass(frozen=True)
class Statement:
    """A sentence or paragraph, whether it is true of its evidence, and what kind of claim it is about."""

    text: str
    is_true: bool
    kind: str
    evidence: Evidence
    language: Language

    @property
    def form(self) -> ReasonForm:
        return "paragraph" if self.kind == "paragraph" else "sentence"

    @property
    def held_out(self) -> bool:
        """Whether the audit must not be fitted to it: decided by the text alone."""
        return hashlib.sha256(self.text.encode()).digest()[0] % 2 == 1


def statements(*, held_out: bool) -> list[Statement]:
    """Read one half of the sentences that measure the audit."""
    return [one for one in _every(_measuring()) if one.held_out == held_out]


def development_only() -> list[Statement]:
    """Read the sentences that were written while the audit was."""
    cases = {case["item"]["id"]: case for case in _measuring()}
    more = [case for path in _MORE for case in _cases(path)]
    return list(_every([{**cases[case["of"]], "true": {}, "false": {}, **case} for case in more]))


def later_set(name: str) -> list[Statement]:
    """Read a set that was written later: "second" to "fifth", "given_wordings", "offered_wordings"."""
    return list(_every([case for path in sorted((FOLDER / name).glob("*.yaml")) for case in _cases(path)]))


def _measuring() -> list[dict[str, Any]]:
    return [case for path in sorted(FOLDER.glob("*.yaml")) if path not in _MORE for case in _cases(path)]


def _cases(path: Path) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return cases


def _every(cases: list[dict[str, Any]]) -> Iterator[Statement]:
    for case in cases:
        evidence, language = evidence_of(case), case.get("language", "en")
        for label in ("true", "false"):
            pairs = [(kind, text) for kind, texts in case[label].items() for text in texts]
            for kind, text in pairs:
                yield Statement(text, label == "true", kind, evidence, language)


def evidence_of(case: dict[str, Any]) -> Evidence:
    """Build the evidence that a case describes."""
    item, rival = _item(case["item"]), case.get("rival")
    cited = tuple(
        Cited(other.item_id, other.title, other.metadata, row["weight"], row.get("without_rank", 0))
        for row in case["cited"]
        for other in [_item(row)]
    )
    having = {pair: [o.item_id for o in cited if pair in set(attributes(o))] for pair in attributes(item)}
    shared = tuple(Shared(name, value, tuple(ids)) for (name, value), ids in having.items() if ids)
    together = tuple(Together(other, both, chose) for other, both, chose in case.get("together", ()))
    relations = tuple(Fact(relation, (other,)) for _, relation, other in case.get("relations", ()))
    pairs = tuple(Pair((one, other), more, without) for (one, other), more, without in case.get("pairs", ()))
    return Evidence(
        "u",
        item,
        cited,
        pairs,
        shared,
        together,
        rival=None if rival is None else _item(rival),
        rank=case.get("rank", 0),
        facts=relations + tuple(map(_fact, case.get("facts", ()))),
        n_choices=case.get("n_choices", 0),
        n_helping=case.get("n_helping", 0),
    )


def _fact(row: dict[str, Any]) -> Fact:
    fields: dict[str, Any] = {name: tuple(row[name]) if isinstance(row[name], list) else row[name] for name in row}
    return Fact(**fields)


def _item(row: dict[str, Any]) -> Item:
    return Item(row["id"], row["title"], {name: row[name] for name in row if name not in _NO_METADATA})
