"""Titles: HTML entities are decoded once, and said."""

from __future__ import annotations

import pytest

from llmrec.data import Dataset

EVENTS = {"user_id": ["u", "u", "u"], "item_id": ["a", "b", "c"]}


def titles(*written: str) -> tuple[list[str], list[str]]:
    items = {"item_id": ["a", "b", "c"][: len(written)], "title": list(written)}
    events = {name: values[: len(written)] for name, values in EVENTS.items()}
    data = Dataset.from_tables(events, items=items)
    return data.catalog.titles, [step.note for step in data.steps if "HTML" in step.name]


def test_entities_in_titles_are_decoded_and_counted() -> None:
    decoded, notes = titles("Tom &amp; Jerry&#39;s", "D&#xE9;j&agrave; vu", "Plain & simple")
    assert decoded == ["Tom & Jerry's", "Déjà vu", "Plain & simple"]
    assert notes == ["2 of 3, e.g. 'Tom &amp; Jerry&#39;s' is \"Tom & Jerry's\""]


@pytest.mark.parametrize("title", ["AT&T; the story", "R&D", "&nosuchname;", "a && b;", "&copy", "&;"])
def test_what_is_no_entity_stays(title: str) -> None:
    assert titles(title) == ([title], [])


def test_they_are_decoded_once_and_break_no_line() -> None:
    assert titles("&amp;amp;", "two&#10;lines", "no&nbsp;break")[0] == ["&amp;", "two lines", "no break"]


def test_a_catalog_from_the_log_too() -> None:
    data = Dataset.from_tables(EVENTS | {"title": ["Q&amp;A", "B", "C"]})
    assert data.catalog.titles == ["Q&A", "B", "C"]
