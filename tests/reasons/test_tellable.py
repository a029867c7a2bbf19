"""Facts counted by hand: bits over the catalog, people with their base rates, ranks by deletion, taste."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from support.linear import Linear

from llmrec.data import Catalog, Histories
from llmrec.reasons import Fact, add_facts, occlusion
from llmrec.reasons.crowd import Crowd
from llmrec.reasons.evidence import Cited, Evidence, Item
from llmrec.reasons.fact_checks import holds
from llmrec.reasons.shares import Shares
from llmrec.reasons.tellable import add_tellable

RECS = pl.DataFrame({"user_id": ["u"], "item_id": ["f"]})
HISTORIES = Histories.of({"u": ["a", "b", "c"]})


def facts(model: Linear, histories: Histories = HISTORIES) -> dict[str, list[Fact]]:
    (one,) = add_tellable(add_facts(occlusion(model, histories, RECS), model), model, histories)
    kinds = {fact.kind for fact in one.facts}
    assert all(holds(fact, one) for fact in one.facts)
    return {kind: [fact for fact in one.facts if fact.kind == kind] for kind in kinds}


def test_what_is_shared_tells_more_the_rarer_it_is(model: Linear) -> None:
    table = model.catalog.table.with_columns(director=pl.Series(["Lee", "Lee", "Hill", None, None, "Lee"]))
    model.catalog = Catalog(table)
    shared = {(one.name, one.values): one for one in facts(model)["same"]}
    assert shared["genres", ("Drama",)].bits == pytest.approx(math.log2(6 / 4))
    assert shared["director", ("Lee",)].item_ids == ("a", "b")
    assert shared["director", ("Lee",)].bits == pytest.approx(1)
    assert shared["decade", ("1990s",)].item_ids == ("a", "b")


def test_people_are_counted_against_all_people(model: Linear) -> None:
    crowd = {f"p{n}": ["a", "f"] for n in range(6)} | {f"q{n}": ["e", "b"] for n in range(12)}
    model.histories = Histories.of(crowd | {"r": ["a"], "s": ["f", "a"]})
    told = facts(model)
    (together,), (after,) = told["together"], told["next"]
    # 7 of 8 who chose a chose f; of all 20, 7 did. Of the 6 times that something came after a it was f.
    assert (together.item_ids, together.count, together.of) == (("a",), 7, 8)
    assert together.times == pytest.approx(7 / 8 / (7 / 20))
    assert after.count == 6
    assert after.times == pytest.approx(19 / 6)
    assert Crowd.of(model.histories, model.catalog) is Crowd.of(model.histories, model.catalog)


def test_ranks_are_those_of_the_list_without_the_item(model: Linear) -> None:
    weights = np.zeros((6, 6), dtype=np.float32)
    weights[0, 5], weights[1, [3, 4]] = 5, (1, 2)
    score = {"weights": weights}
    model._score = lambda sequences: np.stack(  # type: ignore[method-assign]
        [10 + score["weights"][sequences[n]].sum(axis=0) for n in range(len(sequences))]
    )
    (one,) = occlusion(model, HISTORIES, RECS)
    # Of d, e and f, which the history lacks, f stands first, and behind both without a.
    assert (one.rank, one.cited[0].rank_without) == (1, 3)
    expected = model.recommend(Histories.of({"u": ["b", "c"]}), 6)
    order = [item for item in expected["item_id"].to_list() if item != "a"]
    assert order.index("f") + 1 == 3


def test_taste_is_the_history_s_share_against_the_catalog_s(model: Linear) -> None:
    table = pl.DataFrame({"item_id": [f"i{n}" for n in range(40)], "title": [f"T{n}" for n in range(40)]})
    table = pl.concat([model.catalog.table, table.with_columns(genres=pl.lit("War"))], how="diagonal")
    table = table.with_columns(genres=pl.when(pl.col("item_id") == "i0").then(pl.lit("Drama")).otherwise("genres"))
    model.catalog = Catalog(table)
    model._score = lambda sequences: np.stack(  # type: ignore[method-assign]
        [np.where(np.arange(46) == 5, len(sequences[n]), 0).astype(np.float32) for n in range(len(sequences))]
    )
    history = Histories.of({"u": [f"i{n}" for n in range(1, 8)] + ["a", "b", "c"]})
    (taste,) = [one for one in facts(model, history)["taste"] if one.values == ("Drama",)]
    assert (taste.count, taste.of) == (3, 10)
    assert taste.times == pytest.approx(0.3 / (5 / 46))
    (streak,) = [one for one in facts(model, history)["streak"] if one.values == ("Drama",)]
    assert (streak.count, streak.of) == (3, 5)


def test_words_that_titles_share_are_told_where_they_are_rare() -> None:
    titles = ["Lunch Bag Spaceboy", "Lunch Bag Suki", "Red Cup", "Blue Cup", *(f"Thing {n}" for n in range(60))]
    shop = Catalog(pl.DataFrame({"item_id": [str(n) for n in range(64)], "title": titles}))
    model = Linear(shop)
    model.histories = Histories.of({"v": ["0"]})
    one = Evidence("u", Item("0", titles[0]), (Cited("1", titles[1], {}, 1.0), Cited("2", titles[2], {}, 0.5)))
    (told,) = add_tellable([one], model, Histories.of({"u": ["1", "2"]}))
    assert [(fact.item_ids, fact.values) for fact in told.facts if fact.kind == "words"] == [
        (("1",), ("Lunch Bag",))
    ]


def test_triples_between_items_and_odd_items() -> None:
    table = pl.DataFrame(
        {
            "item_id": ["1", "2", "3"],
            "title": ["Rocky", "Creed", ""],
            "spin-off of": [["Creed"], ["Rocky"], None],  # a cycle
        }
    )
    catalog = Catalog(table)
    model = Linear(catalog)
    model.histories = Histories.of({"v": ["1"]})
    cited = (Cited.of(catalog, 0), Cited.of(catalog, 2))
    one = Evidence("u", Item.of(catalog, 1), tuple(Cited(c.item_id, c.title, c.metadata, 1.0) for c in cited))
    (told,) = add_tellable([one], model, Histories.of({"u": ["1", "3"]}))
    links = [fact for fact in told.facts if fact.kind == "link"]
    assert [(fact.name, fact.values) for fact in links] == [
        ("spin-off of", ("Creed", "Rocky")),
        ("spin-off of", ("Rocky", "Creed")),
    ]
    assert all(holds(fact, told) for fact in told.facts)


def test_a_fact_that_its_evidence_does_not_hold_is_no_fact(model: Linear) -> None:
    (one,) = add_facts(occlusion(model, HISTORIES, RECS), model)
    false = [
        Fact("same", ("c",), "genres", ("Romance",)),
        Fact("same", ("e",), "genres", ("Drama",)),
        Fact("rank", ("a",), count=1, of=40),
        Fact("sequel", ("a",)),
        Fact("words", ("a",), "title", ("Gate",)),
        Fact("link", ("a",), "like", ("Final Waltz", "Amber Gate")),
        Fact("together", ("a",), count=2, of=4, times=9.0),
        Fact("taste", (), "genres", ("War",), 3, 4),
    ]
    assert [fact for fact in false if holds(fact, one)] == []


def test_shares_are_read_once_for_a_catalog(catalog: Catalog) -> None:
    shares = Shares.of(catalog)
    assert Shares.of(catalog) is shares
    assert shares.count("genres", ["Drama"]) == 4
    assert shares.count("genres", ["Drama", "War"]) == 1
    assert shares.count_of_both(("genres", "Drama"), ("decade", "1990s")) == 3
    assert shares.count("no such column", ["x"]) == 0
    assert shares.bits(0) == 0


def test_many_numbers_are_a_list_and_no_series(model: Linear) -> None:
    def titled(most: int) -> Catalog:
        titles = [f"Night {n}" for n in range(1, most + 1)]
        return Catalog(pl.DataFrame({"item_id": [str(n) for n in range(1, most + 1)], "title": titles}))

    for most, n_sequels in ((5, 1), (15, 1), (16, 0)):
        catalog = titled(most)
        one = Evidence("u", Item.of(catalog, 1), (Cited("1", "Night 1", {}, 1.0),))
        model.catalog, model.histories = catalog, Histories.of({"u": ["1"]})
        (told,) = add_tellable([one], model, model.histories)
        assert sum(fact.kind == "sequel" for fact in told.facts) == n_sequels


def test_the_only_choice_has_no_far_rank(model: Linear) -> None:
    cited = (Cited("a", "Amber Gate", {}, 1.0, 5000),)
    one = Evidence("u", Item("f", "Final Waltz"), cited, rank=2)
    for items, n_ranks in ((["a"], 0), (["a", "b"], 1)):
        (told,) = add_tellable([one], model, Histories.of({"u": items}))
        assert sum(fact.kind == "rank" for fact in told.facts) == n_ranks
