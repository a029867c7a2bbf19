"""Triples between two items: one is the other's sequel, prequel, or linked to it by any other relation."""

from __future__ import annotations

import math
from collections.abc import Iterator

from llmrec.data import Catalog
from llmrec.data.columns import TITLE
from llmrec.reasons.evidence import Evidence
from llmrec.reasons.fact import Fact
from llmrec.reasons.facts import attributes

# Relations whose tail comes right after, or right before, the head; they are told as numbered titles are.
SEQUEL, PREQUEL = "sequel", "prequel"


def links(one: Evidence, catalog: Catalog) -> Iterator[Fact]:
    """Yield what links an item to those cited: a triple's tail is a title, in a column named as the relation."""
    bits = math.log2(max(2, len(catalog)))
    for other in one.cited:
        for head, tail in ((one.item, other), (other, one.item)):
            names = [name for name, value in attributes(head) if value == tail.title != head.title]
            names = [name for name in names if name not in (SEQUEL, PREQUEL)]
            if names and (catalog.table[TITLE] == tail.title).sum() == 1:
                yield Fact("link", (other.item_id,), names[0], (head.title, tail.title), bits=bits)
