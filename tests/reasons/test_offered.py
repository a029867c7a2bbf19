"""Phrases of the grammar as a writer is shown them."""

from __future__ import annotations

import re

from llmrec.reasons.statements.grammar import grammar_of
from llmrec.reasons.statements.offered import OfferedPhrases

ENGLISH, CHINESE = grammar_of("en"), grammar_of("zh")
PLAIN = {"one", "alone", "earlier"}


def offered(so: set[str], make: str, *, columns: tuple[str, ...] = (), key: str = "1") -> list[str]:
    return OfferedPhrases(ENGLISH, so, set(columns), key=key).of(make)


def test_each_language_offers_something_to_make_a_sentence_of() -> None:
    for grammar in (ENGLISH, CHINESE):
        phrases = OfferedPhrases(grammar, PLAIN, set(), key="1")
        for make in ("part", "suggestion", "reason", "premise"):
            assert len(phrases.of(make)) > 1, make
        shown = " ".join(one for make in ("part", "suggestion", "reason", "premise") for one in phrases.of(make))
        assert not set("<>{}") & set(shown)
        assert all(label in shown for make, label in grammar.labels.items() if make != "rival")


def test_what_is_not_true_is_not_offered() -> None:
    assert not any("most" in phrase for phrase in offered(PLAIN, "statement"))
    assert any("most" in phrase for phrase in offered(PLAIN | {"most"}, "statement"))
    assert not any("OTHER" in phrase for phrase in offered(PLAIN, "suggestion"))
    against = offered({"one", "rather"}, "suggestion")
    assert against
    assert all("OTHER" in phrase for phrase in against)


def test_what_is_done_with_items_is_known_by_their_columns() -> None:
    assert not any("bought" in phrase for phrase in offered(PLAIN, "premise"))
    assert any("bought" in phrase for phrase in offered(PLAIN, "premise", columns=("price",)))
    assert any("watched" in phrase for phrase in offered(PLAIN, "premise", columns=("director",)))


def test_forms_of_verbs_agree() -> None:
    keys = [str(n) for n in range(30)]
    for columns in ((), ("price",), ("director",), ("author",)):
        one = " ".join(phrase for key in keys for phrase in offered(PLAIN, "premise", columns=columns, key=key))
        assert not re.search(r"you \((?:[a-z ]+ \| )*(?:chosen|seen)\b", one)
        assert not re.search(r"have (?:\[?\(?[a-z| ]+\)?\]? )?\((?:[a-z ]+ \| )*(?:chose|saw|went for)\b", one)
        assert "CHOSEN is" in one
        assert "CHOSEN are" not in one
    two = {phrase for key in keys for phrase in offered({"two", "alone"}, "premise", key=key)}
    assert "CHOSEN are both (in | part of) your history" in two
    assert not any("CHOSEN is" in phrase for phrase in two)


def test_the_latest_choice_is_no_earlier_one() -> None:
    latest = {phrase for key in "abcdef" for phrase in offered({"one", "alone"}, "premise", key=key)}
    assert not any(word in phrase for phrase in latest for word in ("earlier", "before", "previously"))
    assert any("earlier" in phrase for phrase in offered(PLAIN, "premise"))


def test_few_alternatives_of_many_and_others_for_another_key() -> None:
    several = {key: offered(PLAIN, "suggestion", key=key) for key in "abc"}
    assert several["a"] == offered(PLAIN, "suggestion", key="a")
    assert len({phrases[0] for phrases in several.values()} | {phrases[1] for phrases in several.values()}) > 2
    assert max(phrase.count("|") for phrases in several.values() for phrase in phrases) < 12
