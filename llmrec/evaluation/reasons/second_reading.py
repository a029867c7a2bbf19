"""A second reading of reasons, against the raw data: nothing of the audit, its phrases or its evidence is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import polars as pl

from llmrec.data import Histories
from llmrec.data.cleaning.positives import positives_of
from llmrec.data.columns import ITEM, TITLE, USER
from llmrec.models.ranker import Ranker
from llmrec.reasons import Explanations

_QUOTED = re.compile(r'"([^"]+)"')
_PEOPLE = re.compile(r'\b(\d+) of (?:the )?(\d+) people who chose "([^"]+)"(?: or "([^"]+)")?')
_SHARED = re.compile(r"\b(?:both|share|same|too|all three)\b")
_LONGEST_VALUE = 60


class SecondReading(NamedTuple):
    """Something that a reason says, by its kind, and whether the data agree."""

    kind: str
    text: str
    is_right: bool


def read_again(sentence: str, item: str, history: Sequence[str], model: Ranker) -> list[SecondReading]:
    """Return what patterns read in an English sentence about the ``item`` recommended to who has this ``history``.

    ``name``: what stands in quotes begins the title of the item or of something chosen, its article in front.
    ``people``: "54 of the 93 people who chose X", counted again in the model's histories. ``value``: a value of a
    catalog column outside quotes is that of a named item and, where something is shared, of the recommended one.
    Ranks, weights, pronouns and other words are not read: the share of right ones is an upper bound.
    """
    table = model.catalog.table.filter(pl.col(ITEM).is_in([item, *history]))
    rows = {str(row[ITEM]): row for row in table.iter_rows(named=True)}
    who = {
        name: [one for one, row in rows.items() if _plain(str(row.get(TITLE, ""))).startswith(_plain(name))]
        for name in _QUOTED.findall(sentence)
    }
    result = [SecondReading("name", name, bool(some)) for name, some in who.items()]
    for both, chose, name, other in _PEOPLE.findall(sentence):
        others = who[other] if other else [""]
        counts = {_count(model.histories, {one, second}, item) for one in who[name] for second in others}
        result.append(SecondReading("people", name, (int(both), int(chose)) in counts))
    rest = _QUOTED.sub(" ", sentence)
    values = {one: set(_values(row)) for one, row in rows.items()}
    named = {one for some in who.values() for one in some}
    for value in sorted(set().union(*values.values())):
        if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", rest):
            needed = values.get(item, set()) if _SHARED.search(rest) else {value}
            is_right = value in needed and any(value in values[one] for one in named)
            result.append(SecondReading("value", value, is_right))
    return result


def second_readings(model: Ranker, explanations: Explanations, histories: Histories) -> pl.DataFrame:
    """Read every reason again: a row for each thing read, with ``user_id, item_id, kind, text, is_right``."""
    users = {user: n for n, user in enumerate(histories.user_ids)}
    rows = []
    for one in explanations:
        user, item = one.evidence.user_id, one.evidence.item.item_id
        said = read_again(one.sentence, item, histories.items(users[user]), model)
        rows += [(user, item, *statement) for statement in said]
    schema = {USER: pl.String, ITEM: pl.String, "kind": pl.String, "text": pl.String, "is_right": pl.Boolean}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _plain(title: str) -> str:
    """Write a title as one compares it: small letters and digits, article in front, without a tag "[New]"."""
    title = re.sub(r"^\[[^\[\]]*\]", "", title)
    turned = re.sub(r"^(.+?), (The|A|An|Il|La|Le|Les|El|Los|Der|Die|Das|Un|Une)\b", r"\2 \1", title)
    return " ".join(re.findall(r"\w+", turned.lower()))


def _values(row: dict[str, object]) -> Iterator[str]:
    for name, value in row.items():
        if name in (ITEM, TITLE) or value is None:
            continue
        parts = value if isinstance(value, list) else re.split(r"[|,;]", str(value))
        yield from (text for part in parts if 1 < len(text := str(part).strip()) <= _LONGEST_VALUE)


def _count(histories: Histories, chosen: set[str], item: str) -> tuple[int, int]:
    """Count the histories with one of the chosen items and the other, and those with one of the chosen."""
    both = chose = 0
    for n in range(len(histories)):
        events = histories.events_of(n)
        items = set(events[ITEM].filter(positives_of(events)).to_list())
        chose += bool(chosen & items)
        both += bool(chosen & items) and item in items
    return both, chose
