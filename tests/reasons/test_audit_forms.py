"""Paragraphs, and why this rather than that: what may be shown and what may not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmrec.reasons import Cited, Evidence, Item, Together, audit
from llmrec.reasons.wording import quoted

COUNTED = Evidence(
    "u",
    Item("1", "Alien", {"year": 1979, "genres": "Horror, Sci-Fi"}),
    (
        Cited("2", "Heat", {"year": 1995, "genres": "Crime"}, contribution=2.0),
        Cited("3", "Tremors", {"year": 1990, "genres": "Horror"}, contribution=1.0),
    ),
    together=(Together("2", 54, 93), Together("3", 20, 1990)),
)

PARAGRAPHS = [
    ('We suggest "Alien" because you chose "Heat". Of the 93 people who chose "Heat", 54 also chose "Alien".', ""),
    ('Of the 1990 people who chose "Tremors", 20 also chose "Alien". "Alien" and "Tremors" share a genre.', ""),
    ('Because you chose "Heat" and "Tremors", which weigh most here, we suggest "Alien".', ""),
    ('Of the 93 people who chose "Heat", 55 also chose "Alien".', "the number 55"),
    ('Of the 93 people who chose "Tremors", 54 also chose "Alien".', "a count of people"),
    ('Of the 93 people who chose "Alien", 54 also chose "Heat".', "a count of people"),
    ('Of the 54 people who chose "Heat", 93 also chose "Alien".', "a count of people"),
    ('We suggest "Alien" as you chose "Heat". We suggest "Alien" as you chose "Heat".', "the same twice"),
    (
        'You chose "Heat" and "Tremors" for this. You chose "Heat" earlier than this.',
        "not name the suggested item",
    ),
    ('We suggest "Alien" as you chose "Heat". It is gripping from first to last.', "it says 'gripping'"),
    ('We suggest "Alien" as you chose "Heat". It is your kind of item too.', "cannot be read as claims"),
    (" ".join(['We suggest "Alien" as you chose "Heat".', 'You chose "Heat" for this.'] * 2), "it is 4 sentences"),
    ('We suggest "Alien" as you chose "Heat". Also 93 people chose "Heat" and it', "does not end as a sentence"),
]


@pytest.mark.parametrize(("text", "fault"), PARAGRAPHS)
def test_paragraphs(text: str, fault: str) -> None:
    faults = audit(text, COUNTED, form="paragraph")
    assert (faults == []) if not fault else any(fault in found for found in faults), faults


AGAINST = replace(COUNTED, rival=Item("4", "Speed, The", {"genres": "Action", "year": 1994}))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('We suggest "Alien" rather than "The Speed" because you chose "Heat".', ""),
        ('Because you chose "Heat", which weighs most here, we suggest "Alien" rather than "The Speed".', ""),
        ('We suggest "Alien" instead of "The Speed" as you chose "Tremors", of the same genre, Horror.', ""),
        ('We suggest "Alien" because you chose "Heat".', "rather than 'The Speed'"),
        ('We suggest "Alien" rather than "Tremors" because you chose "Heat".', "rather than 'The Speed'"),
        ('We suggest "The Speed" rather than "Alien" because you chose "Heat".', "speaks of 'The Speed'"),
        ('We suggest "Alien" rather than "The Speed" because you chose "The Speed".', "more than once"),
        ('We suggest "Alien" rather than "The Speed", of the same genre, Horror.', "rather than 'The Speed'"),
        ('We suggest "Alien" rather than "The Speed" from 1994 because you chose "Heat".', "rather than"),
        ('No single item in your history speaks for "Alien" rather than "The Speed".', "no item raised"),
    ],
)
def test_one_rather_than_another(text: str, fault: str) -> None:
    faults = audit(text, AGAINST)
    assert (faults == []) if not fault else any(fault in found for found in faults), faults


def test_a_rival_of_the_same_title_as_another() -> None:
    for place in (COUNTED.item, COUNTED.cited[0]):
        evidence = replace(COUNTED, rival=Item("9", place.title))
        text = f'We suggest "Alien" rather than "{place.title}" because you chose "Heat" and "Tremors".'
        assert audit(text, evidence) == []


def test_titles_do_not_count_by_their_length() -> None:
    endless = Evidence("u", Item("1", "word " * 90), (Cited("2", "Heat", contribution=1.0),))
    assert audit(f'We suggest {quoted(endless.item.title, "en")} as you chose "Heat".', endless) == []
