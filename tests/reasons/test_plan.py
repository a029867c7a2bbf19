"""Plans of whole lists: true, short, varied, the same each time; and the audit reads them back to claims."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from support.coens import COENS, evidence

from llmrec.prompting import Language
from llmrec.reasons import Cited, Evidence, Fact, Item, audit
from llmrec.reasons.phrases import Phrases
from llmrec.reasons.plan import MOST_WORDS, best_ending, plan_reasons
from llmrec.reasons.stated import split_endings, stated

AFTER = 'After "Fargo", you may like "Film number 0"'


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_list_of_ten_varies_and_passes_the_audit(language: Language) -> None:
    ten = [evidence(n) for n in range(10)]
    plans = [plan for plan in plan_reasons(ten, language) if plan is not None]
    texts = [plan.text for plan in plans]
    assert len(texts) == 10
    assert all(audit(text, one, language=language) == [] for text, one in zip(texts, ten, strict=True))
    assert len({plan.forms for plan in plans}) >= 8
    assert language == "zh" or max(len(text.split()) for text in texts) <= MOST_WORDS
    assert [plan and plan.text for plan in plan_reasons(ten, language)] == texts, "the same list, the same words"
    assert all(any(not fact.is_plain for fact in plan.facts) for plan in plans)
    assert plans[0].theme == {"en": "Because of the director Coen", "zh": "因为导演Coen"}[language]


def test_what_is_read_back_is_what_was_planned() -> None:
    for plan in plan_reasons([evidence(n, str(n)) for n in range(20)]):
        assert plan is not None
        one = evidence(int(plan.text.split("Film number ")[1].split('"')[0]))
        clauses = stated(plan.text, one)
        assert clauses is not None
        assert tuple(clause.fact for clause in clauses if clause.fact) == plan.facts


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('"Film number 0" is here above all because you chose "Fargo": both are by the director Coen.', True),
        ('"Film number 0" is here above all because you chose "The Godfather".', False),  # Fargo weighs most
        ('After "The Godfather", you may like "Film number 0".', False),
        ('"Fargo" and also "The Godfather" speak for "Film number 0"; all three are filed under Crime.', True),
        ('"Fargo" and also "The Godfather" speak for "Film number 0"; all three are by the director Coen.', False),
        ('Without "Fargo" in your history, "Film number 0" would be number 40 on your list, not 2.', True),
        ('Without "Fargo" in your history, "Film number 0" would be number 41 on your list, not 2.', False),
        ('Take "The Godfather" away, and "Film number 0" falls from number 2 to number 40 on your list.', False),
        ('60 of the 90 people who chose "Fargo", one of your choices, also chose "Film number 0".', True),
        ('61 of the 90 people who chose "Fargo", one of your choices, also chose "Film number 0".', False),
        (f'{AFTER}; it is filed under Crime, like 12 of your 30 choices.', True),
        (f'{AFTER}; it is filed under Crime, like all of your 30 choices.', False),
        ('We suggest "Film number 0" because you chose "Fargo", and the two share Crime and Comedy.', False),
    ],
)  # fmt: skip
def test_claims_are_checked(text: str, passes: bool) -> None:
    assert (audit(text, evidence()) == []) is passes


def test_a_weight_word_follows_the_measured_fall() -> None:
    one = evidence()
    assert [one.weight(n) for n in range(2)] == ["most", "also"]
    close = replace(one, cited=(one.cited[0], replace(one.cited[1], contribution=2.5)))
    assert [close.weight(n) for n in range(2)] == ["strong", "strong"]
    little = replace(one, cited=(one.cited[0], replace(one.cited[1], contribution=0.4)))
    assert little.weight(1) == "little"
    nothing = replace(one, cited=(one.cited[0], replace(one.cited[1], contribution=0.2)))
    assert nothing.weight(1) == "none"
    assert all(plan and "The Godfather" not in plan.text for plan in plan_reasons([nothing]))


def with_facts(*facts: Fact, n: int = 0) -> Evidence:
    """The same film with other facts, "Fargo" alone cited."""
    one = evidence(n)
    return replace(one, cited=one.cited[:1], facts=facts, together=())


def texts_of(several: list[Evidence], language: Language = "en") -> list[str]:
    plans = plan_reasons(several, language)
    texts = [plan.text for plan in plans if plan is not None]
    assert all(audit(text, one, language=language) == [] for text, one in zip(texts, several, strict=True))
    return texts


def test_beyond_the_first_thousand_is_said_three_times_in_a_list_at_most() -> None:
    far = [with_facts(Fact("rank", ("f",), count=2, of=5000, bits=11.3), n=n) for n in range(6)]
    far = [replace(one, cited=(replace(one.cited[0], rank_without=5000),)) for one in far]
    assert sum("thousand" in text for text in texts_of(far)) == 3


def test_what_half_of_the_catalog_has_is_no_reason() -> None:
    decade = Fact("same", ("f",), "decade", ("1990s",), bits=0.3)
    assert decade.is_plain
    assert all("1990s" not in text for text in texts_of([with_facts(decade, n=n) for n in range(4)]))


@pytest.mark.parametrize(("language", "joint"), [("en", ": "), ("zh", "："), ("en", ", and ")])
def test_a_colon_explains_and_one_and_is_enough(language: Language, joint: str) -> None:
    taste = Fact("taste", (), "genres", ("Crime",), 12, 30, 2.5, 1.3)
    together = Fact("together", ("f",), count=60, of=90, times=2.2, bits=1.1)
    texts = texts_of([with_facts(*facts, n=n) for n in range(12) for facts in ((taste,), (together,))], language)
    assert len(texts) == 24
    assert all(text.count(joint) <= (joint == ", and ") for text in texts), texts


@pytest.mark.parametrize("name", ["same", "mix", "era"])
def test_it_stays_the_suggested_one_that_is_spoken_of(name: str) -> None:
    for key, ending in Phrases.load("en").endings.items():
        if key.split(".")[0] == name:
            assert all(not one.startswith("{c}") and "in {c}, too" not in one for one in ending.named), key


def test_postage_is_no_reason_where_something_bought_weighs_as_much() -> None:
    def said(drop: float) -> str:
        cited = (Cited("p", "DOTCOM POSTAGE", {}, 3.0, 9), Cited("f", "Lunch Bag", {}, drop, 7))
        return texts_of([Evidence("u", Item("i", "Red Lunch Bag"), cited, rank=2)])[0]

    assert "Postage" not in said(1.6)
    assert "Postage" in said(1.0)


def test_a_narrator_s_sentence_goes_on_with_a_fact_of_what_it_names() -> None:
    lead = 'We suggest "Film number 0" because you chose "Fargo".'
    text = best_ending(lead, evidence())
    assert text is not None and text.startswith(lead[:-1])
    assert audit(text, evidence()) == []
    rest, endings = split_endings(text, evidence())
    assert rest == lead and len(endings) == 1
    assert audit(text.replace("Fargo", "Zorblat"), evidence()) != []
    assert best_ending("Half a sentence", evidence()) is None


def test_a_short_beginning_is_long_enough_with_a_fact() -> None:
    lead, fact = '"Fargo" led to "Film number 0"', "both are by the director Coen"
    assert audit(f"{lead}.", evidence()) == ["it has 4 words, not 5 to 60"]
    assert audit(f"{lead}; {fact}.", evidence()) == []
    assert audit(f"{lead}; {fact.replace('both', 'all three')}.", evidence()) != []
    assert audit(f'"The Godfather" led to "Film number 0"; {fact}.', evidence()) != []
    assert audit(f'"Film number 0" led to "Fargo"; {fact}.', evidence()) != []


def test_without_evidence_it_says_so() -> None:
    (plan,) = plan_reasons([Evidence("u", Item("i", "Fargo", COENS))])
    assert plan is not None
    assert "no single" in plan.text.lower() or "suggested to many" in plan.text
    assert plan.theme == "For everyone"


def test_skeletons_use_the_values_that_there_are() -> None:
    values = {**dict.fromkeys("abc", "X"), "item": "X"}
    for language in ("en", "zh"):
        phrases = Phrases.load(language)
        filled = phrases.values_of(Fact("mix", (), "genres", ("A", "B"), 3, 5, 2.0, 1.0), 2) | values
        several = [*phrases.openings.values(), *(e.plain + e.named for e in phrases.endings.values())]
        for skeletons in several:
            assert all(skeleton.format_map(filled) for skeleton in skeletons)
            assert len(set(skeletons)) == len(skeletons)
        assert all(theme.format_map(filled) for theme in phrases.themes.values())
    assert Phrases.load("en").openings.keys() == Phrases.load("zh").openings.keys()


@pytest.mark.parametrize("language", ["en", "zh"])
def test_who_reads_a_count_of_people_may_be_one_of_them(language: Language) -> None:
    """A user of the log is counted there: "the 32 people who, like you, chose it" would be 31."""
    phrases = Phrases.load(language)
    kinds = ("together", "either", "next")
    skeletons = [text for kind in kinds for text in phrases.openings[kind]]
    skeletons += [
        text for kind in kinds for ending in [phrases.endings[kind]] for text in ending.plain + ending.named
    ]
    counts = [text for text in skeletons if "{count}" in text]
    assert len(counts) > 8
    assert not [text for text in counts if re.search("like you|as you|share|others|一样|同样", text)]
