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
from llmrec.reasons.fact import Fact
from llmrec.reasons.facts import attributes
from llmrec.reasons.request import ReasonForm

FOLDER = Path(__file__).parents[1] / "reasons" / "statements"
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
    """Read one half of all sentences."""
    return [one for one in _every() if one.held_out == held_out]


def _every() -> Iterator[Statement]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for case in yaml.safe_load(path.read_text(encoding="utf-8")):
            evidence = evidence_of(case)
            labelled = [
                (label, kind, text)
                for label in (True, False)
                for kind in case[label]
                for text in case[label][kind]
            ]
            for label, kind, text in labelled:
                yield Statement(text, label, kind, evidence, case.get("language", "en"))


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
    facts = tuple(Fact(relation, (other,)) for _, relation, other in case.get("relations", ()))
    against = None if rival is None else _item(rival)
    return Evidence("u", item, cited, (), shared, together, against, case.get("rank", 0), facts)


def _item(row: dict[str, Any]) -> Item:
    return Item(row["id"], row["title"], {name: row[name] for name in row if name not in _NO_METADATA})
