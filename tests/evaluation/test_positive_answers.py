"""A report says which events were right answers, and how many answers that takes away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmrec import Dataset, Histories, Recipe, Split, evaluate
from llmrec.data.responses import TaskSet
from llmrec.errors import DataError
from llmrec.evaluation import Report, response_queries
from llmrec.evaluation.beyond_accuracy import beyond_accuracy
from llmrec.models import Recommender, from_recipe
from llmrec.reasons.crowd import Crowd


def shop() -> Dataset:
    """Twelve customers buy four products; of the last ones, "x", seven are sent back."""
    rows = []
    for user in range(12):
        for step, item in enumerate(("a", "b", "c", "x")):
            rows.append((f"u{user}", item, 1_600_000_000 + 3600 * step, "purchase"))
        if user < 7:
            rows.append((f"u{user}", "y", 1_600_100_000, "return"))
    schema = ["user_id", "item_id", "timestamp", "behavior"]
    return Dataset.from_tables(pl.DataFrame(rows, schema=schema, orient="row"), name="shop")


def popularity(split: Split) -> dict[str, Recommender]:
    return {"popularity": from_recipe(Recipe(model="popularity")).fit(split.train)}


def test_the_report_says_how_many_answers_were_none(tmp_path: Path) -> None:
    split = Split.leave_last_out(shop())
    report = evaluate(popularity(split), split)
    assert report.context.positive is not None
    counts = report.context.positive
    assert (counts.rule, counts.events, counts.negatives) == ("default", 55, {"behavior return": 7})
    assert (counts.answers, counts.answers_if_all, counts.negatives_if_all) == (12, 12, 7)
    assert "7 of 55 events are no positive targets (behavior return: 7)" in report.notes[0]
    assert report.notes[1].startswith("If every event counted, 7 of 12 test answers (58.3%) would be no positive")
    report.save(tmp_path)
    assert Report.load(tmp_path).context.positive == counts
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "7 of 12 test answers" in page
    assert "default: 12 test answers" in page


def test_with_all_it_says_how_many_would_be_none_by_default() -> None:
    split = Split.leave_last_out(shop().with_positive("all"))
    report = evaluate(popularity(split), split)
    assert report.context.positive.negatives_by_default == 7  # type: ignore[union-attr]
    assert "also 7 that are none by default (behavior return: 7)" in report.notes[0]
    assert report.notes[1].startswith("7 of 12 test answers would be none by default, and count as right answers")


@pytest.mark.parametrize(("rule", "by_default"), [("default", 0), ("all", 3)])
def test_the_validation_fold_counts_its_own_answers(rule: str, by_default: int, tmp_path: Path) -> None:
    """Customers who sent back what they bought before the last: by the rule "all" these are validation answers."""
    schema = ["user_id", "item_id", "timestamp", "behavior"]
    rows = shop().events.select(schema).rows()
    for user in ("u9", "u10", "u11"):
        rows += [(user, "y", 1_600_100_000, "return"), (user, "z", 1_600_200_000, "purchase")]
    log = pl.DataFrame(rows, schema=schema, orient="row")
    split = Split.leave_last_out(Dataset.from_tables(log, name="shop", positive=rule))
    positives = split.data.positive_events.height
    report = evaluate(popularity(split), split, fold="valid")
    positive = report.context.positive
    assert positive is not None
    assert (positive.answers, positive.negatives_by_default) == (len(split.valid.answers), by_default)
    assert (positive.answers_if_all, positive.negatives_if_all) == (None, None)
    assert positives == split.data.events.height - (0 if rule == "all" else 10)
    report.save(tmp_path)
    said = (tmp_path / "report.html").read_text(encoding="utf-8") + " ".join(report.notes)
    assert "validation answers" in said
    assert "test answers" not in said


def test_a_fold_of_another_name_is_refused() -> None:
    split = Split.leave_last_out(shop())
    with pytest.raises(DataError, match="no fold 'validation' to evaluate on; there are test, valid"):
        evaluate(popularity(split), split, fold="validation")  # type: ignore[arg-type]


def test_the_scale_of_ratings_is_that_of_all_events() -> None:
    """Ratings go to ten; those of the test answers happen to end at five, which makes no five stars of them."""
    rows = [
        (f"u{user}", f"i{step}", 1_600_000_000 + step, rating)
        for user in range(12)
        for step, rating in enumerate((10.0, 8.0, 7.0, 1.0 if user < 7 else 5.0))
    ]
    schema = ["user_id", "item_id", "timestamp", "rating"]
    table = pl.DataFrame(rows, schema=schema, orient="row")
    split = Split.leave_last_out(Dataset.from_tables(table, time_format="seconds", positive="all"))
    positive = evaluate(popularity(split), split).context.positive
    assert positive is not None
    assert (positive.negatives, positive.negatives_by_default) == ({}, 0)


def test_with_a_condition_it_says_both() -> None:
    split = Split.leave_last_out(shop().with_positive("item_id != 'x'"))
    notes = evaluate(popularity(split), split).notes
    assert "12 of 55 events are no positive targets (item_id != 'x' not met: 12)" in notes[0]
    assert notes[1].startswith("If every event counted, 5 of 12 test answers (41.7%) would be no positive targets")
    assert notes[2].startswith("7 of 12 test answers meet item_id != 'x', but would be none by default")


def test_without_such_events_it_says_nothing() -> None:
    data = shop()
    bought = Dataset.from_tables(
        data.events.filter(pl.col("behavior") == "purchase").select(data.events.columns[:4])
    )
    split = Split.leave_last_out(bought)
    report = evaluate(popularity(split), split)
    assert not [note for note in report.notes if "ositive" in note]
    assert report.context.positive.answers_if_all is None  # type: ignore[union-attr]


def test_returns_stay_responses_to_be_predicted() -> None:
    split = Split.leave_last_out(shop())
    tasks = TaskSet.fit(split.train, ["behavior"]) if "return" in split.train.events["behavior"] else None
    tasks = tasks or TaskSet.fit(split.data, ["behavior"])
    queries = response_queries(split, tasks)
    assert queries.targets["item_id"].to_list().count("y") == 7
    both, held_out = split.test.followed()
    assert both.events.filter(held_out)["behavior"].to_list().count("return") == 7


def test_popularity_and_facts_count_no_returns() -> None:
    data = shop()
    histories = Histories.of({"u": ["a"]})
    recs = pl.DataFrame({"user_id": ["u"], "item_id": ["y"], "rank": [1]})
    assert beyond_accuracy(recs, histories, data, k=1).popularity.mean == 0  # type: ignore[union-attr]
    every = beyond_accuracy(recs, histories, data.with_positive("all"), k=1)
    assert every.popularity.mean == pytest.approx(7 / 12)  # type: ignore[union-attr]
    crowd = Crowd.of(data.histories, data.catalog)
    assert np.array_equal(crowd.who(data.catalog.code("x")), np.arange(12))
    assert not len(crowd.who(data.catalog.code("y")))
