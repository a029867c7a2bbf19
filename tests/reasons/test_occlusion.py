"""Evidence against exactly known contributions."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from support.linear import Linear

from llmrec.arrays import Float32s
from llmrec.data import Catalog, Histories, Sequences, toy_films
from llmrec.errors import DataError
from llmrec.models.baselines.markov import MarkovRecommender
from llmrec.reasons import Item, explain, occlusion


def recs(*rows: tuple[str, str]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema={"user_id": pl.String, "item_id": pl.String}, orient="row")


def cited(model: Linear, history: list[str], item: str = "f", **options: Any) -> list[tuple[str, float]]:
    found = occlusion(model, Histories.of({"u": history}), recs(("u", item)), **options)
    return [(one.item_id, one.contribution) for one in found[0].cited]


def test_contributions_are_the_known_ones(model: Linear) -> None:
    assert cited(model, ["a", "d", "b", "c"]) == [("a", 4.0), ("b", 2.0), ("c", 1.0)]
    assert cited(model, ["a", "d", "b", "c"], "e") == [("d", 3.0)]


def test_every_occurrence_is_taken_out(model: Linear) -> None:
    assert cited(model, ["b", "a", "b", "b"]) == [("b", 6.0), ("a", 4.0)]


def test_top_and_most(model: Linear) -> None:
    history = ["a", "b", "c", "e"]
    assert cited(model, history, top=1) == [("a", 4.0)]
    assert cited(model, history, most=2) == [("c", 1.0), ("e", 0.5)]
    assert cited(model, ["a", "b", "b", "b"], most=2) == [("b", 6.0), ("a", 4.0)]


def test_what_no_list_holds_has_no_rank() -> None:
    films = toy_films(n_items=12, n_users=30)
    model = MarkovRecommender().fit(films)
    model.remove_items(["9"])
    histories = Histories.of({"u": ["3", "8"]})
    listed = model.recommend(histories, 1)["item_id"][0]
    found = occlusion(model, histories, recs(("u", listed), ("u", "3"), ("u", "9")))
    assert [one.rank for one in found] == [1, 0, 0]
    assert {cited.rank_without for one in found[1:] for cited in one.cited} <= {0}
    assert "9" in [cited for one in found for cited in [one.item.item_id] if one.cited]  # 9 follows 8
    model.exclude_seen = False
    assert occlusion(model, histories, recs(("u", "3")))[0].rank > 0


def test_what_no_list_holds_is_said(model: Linear, caplog: pytest.LogCaptureFixture) -> None:
    histories = Histories.of({"u": ["a", "b"], "v": ["d"]})
    reasons = explain(model, recs(("u", "b"), ("v", "d"), ("v", "e")), histories)
    assert (
        "2 of 3 items are in the history or removed, and in no list of the model's, e.g. 'b' for 'u'"
        in caplog.text
    )
    assert not any("your list" in sentence for sentence in reasons["sentence"][:2])
    caplog.clear()
    explain(model, recs(("u", "f"), ("v", "e")), histories)
    assert not caplog.messages


def test_only_what_helped_is_cited(model: Linear) -> None:
    assert cited(model, ["d"]) == []
    assert cited(model, []) == []
    assert cited(model, ["a"], "c") == []


def test_items_outside_the_catalog_are_passed_over(model: Linear) -> None:
    assert cited(model, ["x", "a", "y"]) == [("a", 4.0)]


def test_one_call_for_all_users_in_the_order_of_the_table(model: Linear) -> None:
    histories = Histories.of({"u": ["a", "d"], "v": ["b"]})
    found = occlusion(model, histories, recs(("v", "f"), ("u", "f"), ("u", "e"), ("v", "a")))
    assert [(one.user_id, one.item.item_id) for one in found] == [
        ("v", "f"),
        ("u", "f"),
        ("u", "e"),
        ("v", "a"),
    ]
    assert [[other.item_id for other in one.cited] for one in found] == [["b"], ["a"], ["d"], []]
    assert model.calls == 1


def test_evidence_carries_metadata_and_genres(model: Linear) -> None:
    found = occlusion(model, Histories.of({"u": ["a", "b", "d"]}), recs(("u", "f")))[0]
    assert found.item == Item("f", "Final Waltz", {"year": 1995, "genres": "Drama, Romance"})
    assert found.cited[0].metadata == {"year": 1990, "genres": "War, Drama"}
    assert found.cited[0].genres == ("War", "Drama")
    assert (found.shared, found.together) == ((), ())  # these are no occlusion: add_facts adds them


def test_event_fields_stay_with_their_events(model: Linear) -> None:
    events = pl.DataFrame({"user_id": ["u"] * 3, "item_id": ["a", "b", "a"], "rating": [5, 3, 1]})
    seen: list[pl.DataFrame] = []
    score = model.score

    def watch(histories: Histories) -> object:
        seen.append(histories.events)
        return score(histories)

    model.score = watch  # type: ignore[method-assign, assignment]
    occlusion(model, Histories.from_events(events), recs(("u", "f")))
    assert seen[0]["item_id"].to_list() == ["a", "b", "a", "b", "a", "a"]
    assert seen[0]["rating"].to_list() == [5, 3, 1, 3, 5, 1]


def test_unknown_users_and_items_are_named(model: Linear) -> None:
    with pytest.raises(DataError, match="user 'w' is not among the 1 users"):
        occlusion(model, Histories.of({"u": ["a"]}), recs(("w", "f")))
    with pytest.raises(DataError, match="item 'z' is not in the catalog"):
        occlusion(model, Histories.of({"u": ["a"]}), recs(("u", "z")))


def test_pairs_of_a_sum_do_not_interact(model: Linear) -> None:
    found = occlusion(model, Histories.of({"u": ["a", "b", "c", "e"]}), recs(("u", "f")))[0]
    assert [(pair.item_ids, pair.interaction) for pair in found.pairs] == [
        (("a", "b"), 0.0),
        (("a", "c"), 0.0),
        (("b", "c"), 0.0),
    ]


def test_interaction_of_items_that_stand_in_for_each_other(model: Linear) -> None:
    def either(sequences: Sequences) -> Float32s:
        # f needs a or b; c counts for itself, more where a is.
        rows = [set(sequences[n].tolist()) for n in range(len(sequences))]
        values = [5.0 * bool({0, 1} & row) + (2.0 in row) + 2.0 * ({0, 2} <= row) for row in rows]
        return np.array([[0, 0, 0, 0, 0, value] for value in values], dtype=np.float32)

    model._score = either  # type: ignore[method-assign]
    found = occlusion(model, Histories.of({"u": ["a", "b", "c"]}), recs(("u", "f")))[0]
    assert [(one.item_id, one.contribution) for one in found.cited] == [("c", 3.0), ("a", 2.0)]
    assert [(pair.item_ids, pair.interaction) for pair in found.pairs] == [(("c", "a"), -2.0)]


def test_against_a_rival_the_lead_counts(model: Linear) -> None:
    histories = Histories.of({"u": ["a", "d", "e"]})
    found = occlusion(model, histories, recs(("u", "e")), instead=["f"])[0]
    # d adds 3 to e and takes 2 from f.
    assert [(one.item_id, one.contribution) for one in found.cited] == [("d", 5.0)]
    assert found.rival is not None and found.rival.item_id == "f"
    with pytest.raises(DataError, match="item 'z' is not in the catalog"):
        occlusion(model, histories, recs(("u", "e")), instead=["z"])


def test_what_was_sent_back_is_no_reason(model: Linear) -> None:
    items, positive = ["a", "b", "c", "b", "c"], [True, False, True, True, False]
    events = pl.DataFrame({"item_id": items, "positive_target": positive})
    result = occlusion(model, Histories(("u",), events, np.array([0, 5])), recs(("u", "f")))
    assert {one.item_id for one in result[0].cited} == {"a", "b"}, "c was sent back in the end, b was bought again"


def test_postage_is_no_choice(catalog: Catalog) -> None:
    titles = ["POSTAGE", "Blue Kite", "Sting, The", "Dry River", "East Wind", "Final Waltz"]
    model = Linear(Catalog(catalog.table.with_columns(title=pl.Series(titles))))
    found = occlusion(model, Histories.of({"u": ["a", "b", "c"]}), recs(("u", "f")))[0]
    assert [one.item_id for one in found.cited] == ["b", "c"]
    assert (found.n_choices, found.n_helping) == (2, 2)
    alone = occlusion(model, Histories.of({"u": ["a"]}), recs(("u", "f")))[0]
    assert [one.item_id for one in alone.cited] == ["a"], "there is nothing else"
