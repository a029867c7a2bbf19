"""Whom a protocol asks about which items: lists that give nothing away, new items only, a mean per user."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from llmrec.data import Catalog, Dataset, Split
from llmrec.data.columns import ITEM, USER
from llmrec.data.splits.leaks import seeded_candidates
from llmrec.errors import DataError, RecipeError
from llmrec.evaluation import EvaluationProtocol, evaluate
from llmrec.evaluation.queries import build_queries
from llmrec.models.baselines.popularity import PopularityRecommender

USERS, ITEMS = 300, 300
TWENTY = EvaluationProtocol.load("candidates-20")


@pytest.fixture(scope="module")
def data() -> Dataset:
    """People who choose popular items more often, whatever they chose before."""
    rng = np.random.default_rng(1)
    weights = 1 / np.arange(12, ITEMS + 12)
    rows = []
    for user in range(USERS):
        chosen = rng.choice(ITEMS, 12, replace=False, p=weights / weights.sum())
        rows += [(f"u{user:03}", f"i{item:03}", step) for step, item in enumerate(chosen)]
    items = pl.DataFrame({ITEM: [f"i{n:03}" for n in range(ITEMS)], "title": [f"Item {n}" for n in range(ITEMS)]})
    return Dataset(pl.DataFrame(rows, schema=[USER, ITEM, "timestamp"], orient="row"), Catalog(items))


@pytest.fixture(scope="module")
def split(data: Dataset) -> Split:
    return Split.leave_last_out(data)


def test_a_list_is_the_answer_and_others_answers_unseen(split: Split) -> None:
    queries = build_queries(split, split.test, TWENTY, exclude_seen=True)
    assert queries.candidates is not None
    wanted = dict(queries.fold.answers.iter_rows())
    pool = set(split.test.answers[ITEM])
    assert queries.owners == split.test.histories.user_ids
    for row, owner, history in zip(wanted, queries.owners, queries.fold.histories, strict=True):
        offered = queries.candidates[row]
        assert len(set(offered)) == len(offered) == queries.choices == 20
        assert set(offered) <= pool - set(history)
        assert offered.count(wanted[row]) == 1
        assert split.test.answers.filter(pl.col(USER) == owner)[ITEM].to_list() == [wanted[row]]


def test_the_place_of_the_answer_and_the_others_say_nothing(split: Split) -> None:
    queries = build_queries(split, split.test, TWENTY, exclude_seen=True)
    assert queries.candidates is not None
    wanted = dict(queries.fold.answers.iter_rows())
    places = np.bincount([queries.candidates[row].index(wanted[row]) for row in wanted], minlength=20)
    assert places.max() < 3 * USERS / 20
    assert places.min() > 0
    assert seeded_candidates(queries.fold, queries.candidates) is None
    again = build_queries(split, split.test, TWENTY, exclude_seen=True)
    assert again.candidates == queries.candidates


def test_the_draw_does_not_look_at_the_answer(split: Split) -> None:
    """With another answer for one row, the others on its list stay, but for the two answers themselves."""
    queries = build_queries(split, split.test, TWENTY, exclude_seen=True)
    answers = split.test.answers
    mine = answers[ITEM][0]
    other = next(n for n in range(1, USERS) if answers[ITEM][n] not in {mine, *split.test.histories.items(0)})
    swapped = answers[ITEM].to_list()
    swapped[0], swapped[other] = swapped[other], swapped[0]
    fold = type(split.test)(split.test.histories, answers.with_columns(pl.Series(ITEM, swapped)))
    again = build_queries(split, fold, TWENTY, exclude_seen=True)
    assert queries.candidates is not None
    assert again.candidates is not None
    one, two = set(queries.candidates["0"]), set(again.candidates["0"])
    assert len(one & two) >= 18


def test_popularity_is_near_chance_where_it_ranks_the_catalog_well(split: Split) -> None:
    model = {"popularity": PopularityRecommender().fit(split.train)}
    sampled = evaluate(model, split, protocol=TWENTY)
    assert sampled.table["recall@5"][0] == pytest.approx(5 / 20, abs=0.1)
    assert sampled.table["among"][0] == "20 sampled candidates"
    assert "20 sampled candidates" in sampled.to_markdown().splitlines()[0]
    assert "20 sampled candidates" in repr(sampled)
    assert "A list picked blindly from 20 sampled candidates would hold about 25.0%" in " ".join(sampled.verdicts)
    whole = evaluate(model, split)
    assert "among" not in whole.table.columns
    assert whole.to_markdown().startswith("| model |")


def test_rows_of_one_user_count_as_one_user(data: Dataset) -> None:
    split = Split.leave_last_k(data, k=3)
    report = evaluate({"popularity": PopularityRecommender().fit(split.train)}, split, protocol=TWENTY)
    assert (report.context.users, report.context.answers, report.results[0].users) == (USERS, 3 * USERS, USERS)
    assert "Of each person's right answers (3.0 on average)" in report.verdicts[1]


def test_at_most_so_many_rows_are_drawn(data: Dataset) -> None:
    split = Split.leave_last_k(data, k=3)
    fewer = TWENTY.model_copy(update={"rows": 100})
    queries = build_queries(split, split.test, fewer, exclude_seen=True)
    assert len(queries.fold.histories) == queries.fold.answers.height == len(queries.candidates or ()) == 100


def test_too_few_others_are_named(split: Split) -> None:
    rules = TWENTY.model_copy(update={"candidates": 299})
    with pytest.raises(DataError, match=r"only \d+ other answers to draw from, candidates-20 needs 298"):
        build_queries(split, split.test, rules, exclude_seen=True)


def test_cold_items_are_ranked_among_new_ones_only(data: Dataset) -> None:
    split = Split.cold_items(data, share=0.2)
    report = evaluate({"popularity": PopularityRecommender().fit(split.train)}, split)
    queries = build_queries(split, split.test, EvaluationProtocol.load("cold-items"), exclude_seen=True)
    trained = set(split.train.events[ITEM])
    assert queries.candidates is not None
    assert all(not set(offered) & trained for offered in queries.candidates.values())
    assert report.context.protocol.name == "cold-items"
    assert report.context.among == f"{ITEMS - len(trained)} new items"
    everything = evaluate(
        {"popularity": PopularityRecommender().fit(split.train)}, split, protocol="cold-items-in-catalog"
    )
    assert everything.table["recall@10"][0] < report.table["recall@10"][0]


def test_several_answers_are_explained_as_such(data: Dataset) -> None:
    split = Split.leave_last_k(data, k=2)
    page = evaluate({"popularity": PopularityRecommender().fit(split.train)}, split).to_html()
    assert "The share of a person&#39;s right answers that are among the 10 shown" in page
    assert "How often the right answer is among" not in page
    assert "last choices, the same number for everybody" in page


def test_rows_without_sampling_are_refused() -> None:
    with pytest.raises(ValueError, match="rows is for sampled candidates"):
        EvaluationProtocol(name="a", split="any", question="?", rows=2000)
    with pytest.raises(RecipeError, match="no protocol"):
        EvaluationProtocol.load("candidates-19")
