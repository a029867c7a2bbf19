"""How often the audit lets a false statement pass and refuses a true one, on sentences labelled by hand."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from support.statements import Statement, development_only, later_set, statements

from llmrec.prompting import Language
from llmrec.reasons import audit
from llmrec.reasons.statements.checking import CHECKS
from llmrec.reasons.statements.grammar import grammar_of

# The audit may be fitted to these; the other half is only for measuring.
DEVELOPMENT = statements(held_out=False)
WRITTEN_BESIDE_IT = development_only()
# What a phrase does besides claiming.
_NO_CLAIM = {"plain", "too", "like", "twofold"}
_SORTS = {"title", "value", "both", "several", "choice", "single", "owner", "counted", "topic", "its"}
# Rules whose "claim" is the sort of a list or a pronoun, or the number of a rank or a share.
_NO_CLAIM_MADE = ("list", "adjacent", "pronoun", "person")
_NUMBERS_MADE = ("rank", "fraction")


def passes(one: Statement) -> bool:
    return audit(one.text, one.evidence, language=one.language, form=one.form) == []


def test_the_set_is_large_and_mixed() -> None:
    every = [*DEVELOPMENT, *statements(held_out=True)]
    assert len({one.text for one in every}) == len(every) >= 300
    assert sum(one.is_true for one in every) >= 130
    assert sum(one.language == "zh" for one in every) >= 60
    assert 0.4 < len(DEVELOPMENT) / len(every) < 0.6


def test_no_false_statement_passes() -> None:
    false = [one for one in (*DEVELOPMENT, *WRITTEN_BESIDE_IT) if not one.is_true]
    assert len(false) > 300
    assert [one.text for one in false if passes(one)] == []


def test_true_statements_pass() -> None:
    # Of those refused 5 and 4 say "above all" of one of two that weigh nearly the same, which is ruled out since.
    for written, most_refused in ((DEVELOPMENT, 0.11), (WRITTEN_BESIDE_IT, 0.25)):
        true = [one for one in written if one.is_true]
        assert sum(not passes(one) for one in true) <= most_refused * len(true)


@pytest.mark.parametrize(
    ("name", "n", "most_refused"),
    [
        ("second", 315, 0.12),
        ("third", 98, 0.32),
        ("fourth", 164, 0.83),
        ("fifth", 163, 0.69),
        ("given_wordings", 300, 0.1),
        ("offered_wordings", 200, 0.1),
    ],
)
def test_later_sets(name: str, n: int, most_refused: float) -> None:
    """The audit has been fitted to the second and third since they were measured, so that these are bounds.

    Not to the fourth and fifth, by another writer who had not seen it, nor, but for two false ones that passed, to
    `given_wordings`, by writers who saw what a chat server was sent, nor to `offered_wordings`, by two others who
    saw what it is sent since (eval/LOG.md).
    """
    every = later_set(name)
    assert len({one.text for one in every}) == len(every) == n
    assert [one.text for one in every if not one.is_true and passes(one)] == []
    true = [one for one in every if one.is_true]
    assert sum(not passes(one) for one in true) <= most_refused * len(true)


@pytest.mark.parametrize("language", get_args(Language))
def test_each_claim_of_a_phrase_has_a_check(language: Language) -> None:
    rules = [rule for phase in grammar_of(language).phases for rule in phase]
    assert len(rules) > 80
    saying = [rule for rule in rules if rule.make not in (*_NO_CLAIM_MADE, *_NUMBERS_MADE)]
    claims = {claim for rule in saying for claim in rule.claims}
    assert claims - _NO_CLAIM <= CHECKS.keys()
    sorts = {claim for rule in rules if rule.make in _NO_CLAIM_MADE for claim in rule.claims}
    assert sorts <= _SORTS


@pytest.mark.parametrize(
    "one", [one for one in DEVELOPMENT if one.is_true and passes(one)][::6], ids=lambda one: one.kind
)
def test_another_number_title_or_negation_makes_it_false(one: Statement) -> None:
    if one.language == "en":
        changed = [
            one.text.replace(" chose ", " never chose ", 1),
            one.text.replace(" suggest ", " do not suggest ", 1),
        ]
        changed += [re.sub(r"\b\d+\b", lambda number: str(int(number.group()) + 1), one.text, count=1)]
        item = one.evidence.item.title
        changed += [one.text.replace(f'"{item}"', f'"{item} II"')]
        assert [
            text for text in changed if text != one.text and not audit(text, one.evidence, form=one.form)
        ] == []
