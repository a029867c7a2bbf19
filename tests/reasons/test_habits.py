"""What a history says of a person: usual prices, rhythm of choosing again, words of titles, the last month."""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl
import pytest
from support.linear import Linear

from llmrec.data import Catalog, Histories
from llmrec.prompting import Language
from llmrec.reasons import Cited, Evidence, Fact, Item, audit
from llmrec.reasons.clauses import Clauses
from llmrec.reasons.fact_checks import holds
from llmrec.reasons.phrases import Phrases
from llmrec.reasons.plan import plan_reasons
from llmrec.reasons.tellable import add_tellable

DAY = 86_400
START = 1_290_000_000


def shop(**columns: Sequence[object]) -> Catalog:
    """Forty items; every tenth one is a lunch bag."""
    titles = [f"{'Lunch Bag' if n % 10 == 0 else 'Thing'} no{chr(97 + n % 26)} {n} - Kitchen" for n in range(40)]
    return Catalog(pl.DataFrame({"item_id": [str(n) for n in range(40)], "title": titles, **columns}))


def told(catalog: Catalog, events: pl.DataFrame, item: str, cited: str) -> tuple[Evidence, dict[str, Fact]]:
    """Gather the facts of one history; the last of each kind."""
    model, histories = Linear(catalog), Histories.from_events(events)
    model.histories = histories
    one = Evidence(
        "u", Item.of(catalog, int(item)), (Cited(cited, catalog.titles[int(cited)], {}, 1.0, 9),), rank=2
    )
    (one,) = add_tellable([one], model, histories)
    assert all(holds(fact, one) for fact in one.facts)
    (plan,) = plan_reasons([one])
    assert plan is not None
    assert audit(plan.text, one) == []
    return one, {fact.kind: fact for fact in one.facts}


def log(items: list[int], **columns: Sequence[object]) -> pl.DataFrame:
    return pl.DataFrame({"user_id": ["u"] * len(items), "item_id": [str(n) for n in items], **columns})


def test_the_usual_price_is_that_of_half_of_the_choices() -> None:
    catalog = shop(price=[float(n) for n in range(40)])
    _, facts = told(catalog, log([10, 11, 12, 13, 30]), "12", "10")
    assert "price" not in facts, "four other prices are no habit"
    _, facts = told(catalog, log([10, 11, 12, 13, 30]), "14", "10")
    assert "price" not in facts, "14.00 is more than most"
    _, facts = told(catalog, log([10, 11, 14, 15, 30]), "12", "10")
    assert facts["price"].values == ("12.00", "11.00", "15.00")
    assert (facts["price"].count, facts["price"].of) == (3, 5)
    assert facts["price"].bits == pytest.approx(math.log2(40 / 5))


def test_half_of_the_choices_are_of_all_choices_in_one_currency() -> None:
    few = [float(n) if n < 20 else None for n in range(40)]
    history = log([10, 11, 14, 15, 16, *range(21, 27)])
    _, facts = told(shop(price=few), history, "12", "10")
    assert "price" not in facts, "of eleven choices three cost 11 to 15"
    for price in (-1.0, 0.0):
        assert "price" not in told(shop(price=[price] * 40), history, "12", "10")[1], "nothing costs so much"
    prices = [float(n) for n in range(40)]
    for currency, is_told in (("EUR", True), ("JPY", False)):
        catalog = shop(price=prices, currency=["EUR"] * 39 + [currency])
        assert ("price" in told(catalog, log([10, 11, 14, 15, 30]), "12", "10")[1]) == is_told


def test_prices_of_the_log_are_medians_of_what_was_paid() -> None:
    paid = [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 4.0, 3.0]
    _, facts = told(shop(), log([1, 2, 3, 5, 6, 7, 7, 7], price=paid), "9", "1")
    assert "price" not in facts, "nobody bought it: no price is known"
    _, facts = told(shop(), log([1, 2, 3, 5, 6, 9], price=paid[:6]), "9", "1")
    assert facts["price"].values == ("2.00", "2.00", "2.00")
    assert facts["price"].bits == 0, "everything costs that"


def test_the_rhythm_of_choosing_again_is_counted_by_days() -> None:
    days = [0, 0, 30, 58, 90, 91]
    times = [START + day * DAY + n for n, day in enumerate(days)]
    _, facts = told(shop(), log([1, 1, 1, 1, 1, 2], timestamp=times), "1", "2")
    assert (facts["rhythm"].count, facts["rhythm"].of) == (4, 30)
    _, facts = told(shop(), log([1, 1, 1, 1, 1, 2], timestamp=list(range(6))), "1", "2")
    assert "rhythm" not in facts, "an order is no time"


def test_words_that_many_choices_have_in_their_names() -> None:
    _, facts = told(shop(), log([0, 10, 20, 1, 2, 3, 5]), "30", "1")
    taste = facts["taste"]
    assert (taste.name, taste.values, taste.count, taste.of) == ("title", ("Lunch Bag",), 3, 7)
    assert taste.times == pytest.approx(3 / 7 / (4 / 40))
    _, facts = told(shop(), log([0, 10, 1, 2, 3, 5]), "30", "1")
    assert "taste" not in facts, "two of six are no taste, and all are kitchen things"


def test_the_last_month_of_a_long_history() -> None:
    brands = ["Acme" if n % 10 == 0 else "Other" for n in range(40)]
    days = [0, 1, 2, 80, 81, 82, 83, 84, 85]
    events = log([1, 2, 3, 0, 10, 20, 4, 5, 6], timestamp=[START + day * DAY for day in days])
    _, facts = told(shop(brand=brands), events, "30", "0")
    assert (facts["lately"].values, facts["lately"].count, facts["lately"].of) == (("Acme",), 3, 6)
    short = events.tail(6)
    _, facts = told(shop(brand=brands), short, "30", "0")
    assert "lately" not in facts, "the month is all there is"


def large_shop(brands: Sequence[str], **titles: str) -> Catalog:
    names = [titles.get(f"item_{n}", f"Article no{chr(97 + n % 26)} {n}") for n in range(len(brands))]
    ids = [str(n) for n in range(len(brands))]
    return Catalog(pl.DataFrame({"item_id": ids, "title": names, "brand": brands}))


def facts_of(catalog: Catalog, item: int, cited: int, crowd: Histories | None = None) -> tuple[Fact, ...]:
    other = Item.of(catalog, cited)
    one = Evidence("u", Item.of(catalog, item), (Cited(str(cited), other.title, other.metadata, 1.0),))
    model, histories = Linear(catalog), Histories.of({"u": [str(cited)]})
    model.histories = crowd or histories
    return add_tellable([one], model, histories)[0].facts


def in_common(catalog: Catalog, item: int, cited: int) -> list[str]:
    return [value for fact in facts_of(catalog, item, cited) if fact.kind == "same" for value in fact.values]


def kinds(catalog: Catalog, item: int, cited: int, crowd: Histories) -> set[str]:
    return {fact.kind for fact in facts_of(catalog, item, cited, crowd)}


def test_a_few_of_many_are_no_taste_of_a_month() -> None:
    catalog = large_shop(["Acme" if n in (0, 10, 20, 30) else f"Maker {n % 7}" for n in range(80)])
    for others, is_told in ((11, True), (17, False)):
        month = [0, 10, 20, *range(40, 40 + others)]
        days = [0, 1, 2, *[80] * len(month)]
        events = log([1, 2, 3, *month], timestamp=[START + day * DAY for day in days])
        assert ("lately" in told(catalog, events, "30", "0")[1]) == is_told, "three of fourteen, three of twenty"


def test_a_column_of_two_values_for_a_whole_catalog_is_a_yes_or_no() -> None:
    brands = ["Own" if n % 4 == 0 else "National" for n in range(120)]
    events = log([4, 8, 12, 16, 20, 1, 2, 3, 5, 24, 28, 32], timestamp=[START + n * DAY for n in range(12)])
    assert not {"taste", "streak"} & set(told(large_shop(brands), events, "0", "32")[1])
    assert in_common(large_shop(brands), 0, 32) == []
    brands[119] = "Acme"
    assert {"taste", "streak"} <= set(told(large_shop(brands), events, "0", "32")[1])
    assert in_common(large_shop(brands), 0, 32) == ["Own"]
    of_few = ["Star Wars" if n < 6 else "" for n in range(120)]
    assert in_common(large_shop(of_few), 0, 1) == ["Star Wars"], "a value of six items is no yes or no"


def test_another_item_of_the_same_name_is_not_compared_with_it() -> None:
    brands = ["Acme" if n < 4 else f"Maker {n % 7}" for n in range(120)]
    assert in_common(large_shop(brands), 0, 1) == ["Acme"]
    named_alike = large_shop(brands, item_0="Paper Towels", item_1="Paper Towels")
    assert in_common(named_alike, 0, 1) == []
    crowd = Histories.of({f"p{n}": ["0", "1"] if n < 6 else ["2"] for n in range(20)})
    assert "together" in kinds(large_shop(brands), 0, 1, crowd)
    assert "together" not in kinds(named_alike, 0, 1, crowd)


@pytest.mark.parametrize(
    ("name", "value", "holds_true"),
    [("price", "12.00", True), ("price", "9.00", False), ("lately", "Acme", True), ("lately", "Other", False)],
)
def test_habits_are_checked_against_the_item(name: str, value: str, holds_true: bool) -> None:
    one = Evidence("u", Item("i", "Thing", {"brand": "Acme", "price": 12.0}))
    fact = (
        Fact("price", (), "price", (value, "10.00", "15.00"), 3, 5)
        if name == "price"
        else Fact("lately", (), "brand", (value,), 3, 6)
    )
    assert holds(fact, one) is holds_true


@pytest.mark.parametrize(
    ("language", "half", "most"), [("en", "about half of", "most of your choices"), ("zh", "约有一半", "大多")]
)
def test_a_price_is_that_of_half_of_the_choices_or_of_most(language: Language, half: str, most: str) -> None:
    def said(count: int) -> str:
        fact = Fact("price", (), "price", ("2.00", "1.00", "3.00"), count, 20)
        clauses = Clauses(Evidence("u", Item("i", "Bowl"), facts=(fact,)), Phrases.load(language))
        return " ".join(one.text for one in clauses.endings(()))

    assert half in said(11)
    assert most not in said(11)
    assert most in said(14)
    assert half not in said(14)
    assert all(number in said(14) for number in ("14", "20"))
    assert said(8) == "", "two fifths are no habit"
