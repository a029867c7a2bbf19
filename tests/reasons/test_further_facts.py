"""Facts for where one item alone says little: two left out, the only choice, people of either, a graph's ids."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from support.linear import Linear

from llmrec.data import Catalog, Histories
from llmrec.evaluation.reasons.second_reading import read_again
from llmrec.reasons import Cited, Evidence, Fact, Item, Pair, audit
from llmrec.reasons.fact_checks import holds
from llmrec.reasons.plan import plan_reasons
from llmrec.reasons.shares import Shares
from llmrec.reasons.tellable import add_tellable
from llmrec.reasons.themes import headed, sections, settled
from llmrec.reasons.title_runs import runs_of, spaced

CITED = (Cited("a", "Amber Gate", {}, 2.0, 2), Cited("b", "Blue Kite", {}, 1.9, 3))
ONE = Evidence(
    "u", Item("f", "Final Waltz"), CITED, (Pair(("a", "b"), 3.0, 60),), rank=2, n_choices=9, n_helping=2
)


def facts_of(one: Evidence, model: Linear) -> dict[str, Fact]:
    (one,) = add_tellable([one], model, Histories.of({"u": ["a", "b", "c"]}))
    assert all(holds(fact, one) for fact in one.facts)
    return {fact.kind: fact for fact in one.facts}


def test_two_that_stand_in_for_each_other_are_left_out_together(model: Linear) -> None:
    facts = facts_of(ONE, model)
    assert "rank" not in facts
    assert (facts["rank_two"].item_ids, facts["rank_two"].count, facts["rank_two"].of) == (("a", "b"), 2, 60)
    alone = replace(ONE, cited=(replace(CITED[0], rank_without=55), CITED[1]))
    assert "rank_two" not in facts_of(alone, model), "one alone explains as much"


def test_the_only_choices_that_have_an_effect(model: Linear) -> None:
    only = facts_of(ONE, model)["only"]
    assert (only.item_ids, only.name, only.count, only.of) == (("a", "b"), "", 2, 9)
    assert only.bits == pytest.approx(2.17, abs=0.01)
    assert "only" not in facts_of(replace(ONE, n_helping=3), model)
    assert "only" not in facts_of(replace(ONE, n_choices=0), model), "some choices were not left out"
    little = (*CITED, Cited("c", "Sting, The", {}, 0.1, 2))
    facts = facts_of(replace(ONE, cited=little, n_helping=7), model)
    assert facts["only"].name == "hardly"
    one = replace(ONE, cited=CITED[:1], pairs=(), n_helping=1)
    assert facts_of(one, model)["only"].item_ids == ("a",)


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ('Without "Amber Gate" and "Blue Kite", "Final Waltz" would be number 60 on your list, not 2.', True),
        ('Without "Amber Gate" and "Blue Kite", "Final Waltz" would be number 61 on your list, not 2.', False),
        ('Of your 9 choices, only "Amber Gate" and "Blue Kite" speak for "Final Waltz".', True),
        ('Of your 8 choices, only "Amber Gate" and "Blue Kite" speak for "Final Waltz".', False),
        ('Of your 9 choices, only "Amber Gate" speaks for "Final Waltz".', False),
        ('Of your 9 choices, hardly any but "Amber Gate" and "Blue Kite" speaks for "Final Waltz".', False),
        ('7 of the 30 people who chose "Amber Gate" or "Blue Kite" also chose "Final Waltz".', True),
        ('8 of the 30 people who chose "Amber Gate" or "Blue Kite" also chose "Final Waltz".', False),
    ],
)
def test_what_is_said_of_two_is_checked(text: str, passes: bool, model: Linear) -> None:
    (one,) = add_tellable([ONE], model, Histories.of({"u": ["a", "b", "c"]}))
    either = Fact("either", ("a", "b"), count=7, of=30, times=2.0, bits=1.0)
    assert (audit(text, replace(one, facts=(*one.facts, either))) == []) is passes


def test_people_of_several_choices_where_of_each_there_are_too_few(model: Linear) -> None:
    people = {f"p{n}": ["a" if n < 3 else "b", "f"] for n in range(6)} | {f"q{n}": ["c"] for n in range(6)}
    model.histories = Histories.of(people)
    facts = facts_of(ONE, model)
    assert "together" not in facts
    assert (facts["either"].count, facts["either"].of, facts["either"].times) == (6, 6, 2.0)
    said = '6 of the 6 people who chose "Amber Gate" or "Blue Kite" also chose "Final Waltz".'
    assert [one.is_right for one in read_again(said, "f", ["a", "b"], model) if one.kind == "people"] == [True]
    wrong = said.replace("6 of the 6", "5 of the 6")
    assert [one.is_right for one in read_again(wrong, "f", ["a", "b"], model) if one.kind == "people"] == [False]


def test_ids_of_a_graph_are_not_said() -> None:
    ids = [f"m.0{n}bln" for n in range(40)]
    directors = [[ids[n % 20]] for n in range(40)]
    sequels = [["Film 01"] if n == 0 else None for n in range(40)]
    titles = ["Film nought", *(f"Film {n:02}" for n in range(1, 40))]
    columns = {"item_id": [f"{n}" for n in range(40)], "title": titles, "director": directors, "sequel": sequels}
    catalog = Catalog(pl.DataFrame(columns))
    model = Linear(catalog)
    model.histories = Histories.of({"u": ["0", "21"]})
    cited = [Cited(str(n), titles[n], Item.of(catalog, n).metadata, 2.0 - n / 40) for n in (0, 21)]
    (one,) = add_tellable([Evidence("u", Item.of(catalog, 1), tuple(cited))], model, model.histories)
    kinds = {fact.kind: fact for fact in one.facts}
    assert not Shares.of(catalog).is_named("director")
    assert kinds["kin"].item_ids == ("21",)
    assert kinds["sequel"].item_ids == ("0",)
    assert all(holds(fact, one) for fact in one.facts)
    kin = replace(one, cited=(replace(cited[1], contribution=3.0),), facts=(kinds["kin"],))
    (plan,) = plan_reasons([kin])
    assert plan is not None
    assert "direct" in plan.text
    assert "bln" not in plan.text
    assert audit(plan.text, kin) == []


@pytest.mark.parametrize(
    ("values", "is_named"),
    [
        (["Q25191", "Q42574", "Q55555"], False),
        (["nm0000233", "nm0000116", "nm0634240"], False),
        (["/m/0bln8", "/m/02vxxgs", "/m/0v187kf"], False),
        (["U2", "UB40", "blink-182"], True),
        (["PS4", "PS3", "Xbox360"], True),
        (["Coen", "Lee", "Q25191"], True),
    ],
)
def test_which_columns_hold_ids(values: list[str], is_named: bool) -> None:
    table = pl.DataFrame({"item_id": ["a", "b", "c"], "title": ["A", "B", "C"], "by": values})
    assert Shares.of(Catalog(table)).is_named("by") is is_named


def test_words_do_not_cross_the_parts_of_a_title() -> None:
    runs = runs_of("NBA 2K16 - Limited Edition - Xbox One (Japan)", single=True).values()
    assert {"Xbox One", "Japan", "NBA 2K16"} <= set(runs)
    assert not {"Edition Xbox One", "2K16 Limited", "One Japan", "Limited Edition"} & set(runs)
    assert "xbox one" in spaced("Game: Xbox One")
    assert "game xbox" not in spaced("Game: Xbox One")


def test_a_list_is_grouped_under_what_several_share() -> None:
    possible = [("Coen", "chose A"), ("Lee", "chose A"), ("Coen", "chose B"), ("chose C",), ("Lee", "chose A")]
    themes = settled(possible)
    assert themes == ["Coen", "Lee", "Coen", "chose C", "Lee"]
    assert settled([("Coen", "chose A"), ("Lee", "chose A")]) == ["chose A", "chose A"]
    assert settled([("Coen", "chose A"), ("Lee", "chose B")]) == ["Coen", "Lee"]
    assert sections(themes) == [("Coen", [0, 2]), ("Lee", [1, 4]), ("", [3])]
    assert headed(themes, "en")[-1] == ("Also for you", [3])
    assert headed(["Coen", "Lee"], "en") == [("", [0, 1])]
