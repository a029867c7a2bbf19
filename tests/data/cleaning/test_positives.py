"""Which events are positive targets: by default, by a condition, all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmrec.data import Dataset
from llmrec.data.cleaning.behavior_names import STRENGTHS
from llmrec.data.cleaning.positives import positives_as_settled
from llmrec.data.columns import POSITIVE
from llmrec.errors import DataError


def log(**columns: list[Any]) -> pl.DataFrame:
    n = len(next(iter(columns.values())))
    ids = {"user_id": ["u"] * n, "item_id": [f"i{row}" for row in range(n)]}
    return pl.DataFrame(ids | {"timestamp": [1_600_000_000 + row for row in range(n)]} | columns, strict=False)


def positive_rows(data: Dataset) -> list[int]:
    """The rows of the log whose events are positive targets, by their items' names."""
    return [int(item[1:]) for item in data.positive_events["item_id"]]


@pytest.mark.parametrize(
    ("columns", "left"),
    [
        (
            {"behavior": ["buy", "Return", "refund", "remove_from_cart", "cancel", "un-like", "SKIP", "view"]},
            [0, 7],
        ),
        ({"behavior": ["buy", "something else", "return_visit", "report"]}, [0, 1, 2, 3]),
        ({"behavior": ["buy", "item_returned", "paymentFailed", "Order return", "cart.removed"]}, [0]),
        ({"order_status": ["paid", "Cancelled", "refunded", None]}, [0, 3]),
        ({"feedback": ["up", "down", "ok"]}, [0, 2]),
        ({"state": ["CA", "OR", "NY"]}, [0, 1, 2]),
        ({"returned": [0, 1, 0]}, [0, 2]),
        ({"skipped": ["true", "false", "true"]}, [1]),
        ({"Cancelled at": [None, "2024-01-07 10:00:00 +0100", " "]}, [0, 2]),
        ({"refund_date": [None, "2024-01-07"]}, [0]),
        ({"return_date": [None, "2024-01-07"]}, [0, 1]),  # of a loan, maybe
        ({"cancelled_at": ["2024-01-07", "2024-01-08"]}, [0, 1]),  # said of all: it says nothing
        ({"thumbs": ["up", "down"]}, [0]),
        ({"is_refunded": [True, False, None]}, [1, 2]),
        ({"Cancelled": ["N", "Y", ""]}, [0, 2]),
        ({"return": [0.5, 1.0, -2.0]}, [0, 1, 2]),
        ({"rating": ["5 stars", "1 star", "4,5 Sterne", ""]}, [0, 2, 3]),
        ({"rating": ["4.0 out of 5 stars", "1.0 out of 5 stars", "5/5"]}, [0, 2]),
        ({"rating": ["★★★★★", "★☆☆☆☆", "3"]}, [0, 2]),
        ({"rating": ["like", "dislike", "love"]}, [0, 2]),
        ({"quantity": [1, -1, 0, None]}, [0, 2, 3]),
        ({"rating": [1, 2, 5, None]}, [1, 2, 3]),
        ({"rating": [0.5, 1, 1.5, 5]}, [2, 3]),
        ({"rating": [0, 1, 5]}, [2]),
        ({"rating": [-1, 1, 10]}, [1, 2]),
        ({"rating": [0, 1, 2, 10]}, [1, 2, 3]),
        ({"rating": [-1, 1, 1]}, [1, 2]),
        ({"rating": [0, 1, 1]}, [1, 2]),
        ({"rating": [1, 2, 3, 4]}, [0, 1, 2, 3]),  # no five: nobody knows the scale
        ({"rating": [1, 1, 1]}, [0, 1, 2]),
        ({"rating": [0, 0]}, [0, 1]),  # no rating is used
        ({"rating": [-3, -1]}, [0, 1]),
        ({"behavior": ["buy", "return", "buy"], "quantity": [1, 1, -1], "rating": [5, 5, 5]}, [0]),
        ({"positive_target": [True, False, True]}, [0, 2]),
    ],
)
def test_by_default(columns: dict[str, list[Any]], left: list[int]) -> None:
    data = Dataset.from_tables(log(**columns))
    assert positive_rows(data) == left
    n = data.events.height
    assert n == len(next(iter(columns.values()))), "an event that is no positive target stays in the log"
    assert data.positive.n_negatives == sum(data.positive.negatives.values()) == n - len(left)
    assert (POSITIVE in data.events.columns) == (len(left) < n)


def test_each_event_has_one_reason_and_the_line_says_them_all() -> None:
    data = Dataset.from_tables(
        log(behavior=["buy", "return", "buy", "buy"], quantity=[1, -1, -2, 1], rating=[5, 1, 1, 1])
    )
    assert data.positive.negatives == {"behavior return": 1, "quantity below 0": 1, "rating of at most 1 of 5": 1}
    said = next(step for step in data.steps if step.name == "positive targets")
    assert (said.rows_in, said.removed) == (4, 0)
    assert "3 of 4 events are no positive targets (behavior return: 1, quantity below 0: 1, rating" in said.note


def test_a_scale_that_is_not_known_is_said() -> None:
    note = Dataset.from_tables(log(rating=[1, 7, 10])).positive.note
    assert "ratings up to 10 are no five stars" in note
    assert '--positive "rating >= 7"' in note
    assert "not rated" not in note
    note = Dataset.from_tables(log(rating=[0, 0, 0, 7, 10])).positive.note
    assert note.startswith("most ratings are 0: where that says not rated, --positive all counts them; ratings up")
    assert Dataset.from_tables(log(rating=[0, 0, 5])).positive.note == note.partition("; ratings")[0]
    assert Dataset.from_tables(log(rating=[0, 0, 1])).positive.note == ""
    assert "no rating is above 0" in Dataset.from_tables(log(rating=[-3, -1])).positive.note
    assert str(Dataset.from_tables(log(rating=[4, 5])).positive) == ""


def test_a_strength_given_by_hand_counts() -> None:
    rows = log(behavior=["buy", "meh", "unlike"])
    data = Dataset.from_tables(rows, strengths={"meh": -1, "unlike": 1})
    assert positive_rows(data) == [0, 2]


def test_every_name_of_negative_strength_is_no_positive_target() -> None:
    negative = [name for name, strength in STRENGTHS.items() if strength < 0]
    assert len(negative) > 20
    assert positive_rows(Dataset.from_tables(log(behavior=["buy", *negative]))) == [0]


def test_a_condition_or_all() -> None:
    rows = log(rating=[1, 2, 4, 5, None], behavior=["view", "view", "view", "return", "view"])
    assert positive_rows(Dataset.from_tables(rows, positive="rating >= 4")) == [2, 3]
    assert positive_rows(Dataset.from_tables(rows, positive=pl.col("rating") < 3)) == [0, 1]
    assert positive_rows(Dataset.from_tables(rows, positive="strength > 0 AND user_id = 'u'")) == [0, 1, 2, 4]
    every = Dataset.from_tables(rows, positive="ALL")
    assert positive_rows(every) == [0, 1, 2, 3, 4]
    assert POSITIVE not in every.events.columns
    assert every.positive.negatives == {"behavior return": 1, "rating of at most 1 of 5": 1}
    assert "also 2 that are none by default" in str(every.positive)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("ratng >= 4", "cannot take as positive targets the events where ratng >= 4: .*the columns are user_id"),
        ("rating >=", "cannot take as positive targets the events where rating >="),
        ("behavior >= 4", "behavior is text .*, not a number"),
        ("rating", "'rating' is no condition on an event"),
        ("rating > 5", r"no event is a positive target \(rating > 5 not met: 2\).*--positive all"),
    ],
)
def test_a_bad_condition_is_one_line(condition: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        Dataset.from_tables(log(rating=[1, 5], behavior=["view", "view"]), positive=condition)
    assert "\n" not in str(caught.value)


def test_a_log_without_any_positive_target_is_refused() -> None:
    with pytest.raises(DataError, match=r"no event is a positive .*\(behavior refund: 1, behavior return: 1\)"):
        Dataset.from_tables(log(behavior=["return", "refund"]))
    assert positive_rows(Dataset.from_tables(log(behavior=["return", "refund"]), positive="all")) == [0, 1]


def test_a_column_of_our_name_that_is_not_true_or_false_is_refused() -> None:
    rows = log(positive_target=[3, 1])
    with pytest.raises(
        DataError, match=r"positive_target .* is not true or false; rename it.*positive_target = 1"
    ):
        Dataset.from_tables(rows)
    assert positive_rows(Dataset.from_tables(rows, positive="positive_target = 1")) == [1]


def test_it_is_kept_with_the_data(tmp_path: Path) -> None:
    data = Dataset.from_tables(log(rating=[1, 2, 4, 5]), positive="rating >= 4")
    data.save(tmp_path / "data")
    again = Dataset.load(tmp_path / "data")
    assert again.positive == data.positive
    assert positive_rows(again) == [2, 3]
    assert len({data.with_positive(rule).fingerprint for rule in ("default", "all", "rating >= 4")}) == 3
    assert positive_rows(again.with_positive()) == [1, 2, 3]
    assert data.with_positive(pl.col("rating") >= 4).positive.ratings == {"lowest": 1, "highest": 5}


def test_a_folder_of_an_earlier_version_is_settled_when_it_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import json

    Dataset.from_tables(log(behavior=["buy", "return"]), positive="all").save(tmp_path / "data")
    path = tmp_path / "data" / "dataset.json"
    metadata = json.loads(path.read_text())
    del metadata["positive"]
    path.write_text(json.dumps(metadata | {"format": 1}))
    with caplog.at_level("INFO"):
        assert positive_rows(Dataset.load(tmp_path / "data")) == [0]
    assert "1 of 2 events are no positive targets (behavior return: 1)" in caplog.text


def test_a_folder_of_before_scales_were_recorded_has_that_of_its_events(tmp_path: Path) -> None:
    import json

    data = Dataset.from_tables(log(rating=[1, 2, 4, 5]))
    data.save(tmp_path / "data")
    path = tmp_path / "data" / "dataset.json"
    metadata = json.loads(path.read_text())
    assert metadata["positive"].pop("ratings") == {"lowest": 1, "highest": 5, "positive_above": 1}
    path.write_text(json.dumps(metadata | {"format": 2}))
    assert Dataset.load(tmp_path / "data").positive == data.positive


@pytest.mark.parametrize(
    ("of_log", "sent", "positive"),
    [
        ([1, 5, 10], [1, 5], [True, True]),  # of ten
        ([1, 5, 10], [0, 5], [False, True]),
        ([2, 5], [1, 3], [False, True]),  # of five stars, though nobody gave one
        ([0, 10], [0, 0], [False, False]),
        ([-1, 1], [-1, -1], [False, False]),
        ([0, 0], [0, 1], [True, True]),  # no rating is used
    ],
)
def test_a_few_further_ratings_are_read_by_the_scale_of_the_log(
    of_log: list[int], sent: list[int], positive: list[bool]
) -> None:
    settled = Dataset.from_tables(log(rating=of_log)).positive
    further = pl.DataFrame({"rating": sent})
    assert positives_as_settled(further, settled.to_dict(), label="sent").to_list() == positive


def test_where_no_scale_was_recorded_the_reasons_tell_it() -> None:
    settled = Dataset.from_tables(log(rating=[0, 10])).positive.to_dict()
    del settled["ratings"]
    further = pl.DataFrame({"rating": [0, 1, 5]})
    assert positives_as_settled(further, settled, label="sent").to_list() == [False, True, True]


def test_cleaning_cleaned_events_again_changes_nothing() -> None:
    once = Dataset.from_tables(log(rating=[1, 2, 4, 5]), positive="rating >= 4")
    assert positive_rows(Dataset.from_tables(once.events)) == [2, 3]


def test_what_is_sent_back_makes_no_repeat() -> None:
    rows = pl.DataFrame(
        {
            "user_id": ["u"] * 4,
            "item_id": ["a", "b", "a", "b"],
            "timestamp": [1_600_000_000 + n for n in range(4)],
            "behavior": ["buy", "buy", "return", "return"],
        }
    )
    assert not Dataset.from_tables(rows).repeats_are_normal
    assert Dataset.from_tables(rows, positive="all").repeats_are_normal


def test_a_condition_on_a_column_with_cells_that_are_no_numbers_is_refused() -> None:
    rows = log(rating=["5", "4", "four", "1"])
    with pytest.raises(DataError, match=r"--positive rating >= 4 needs the column rating.*--blank-bad-numbers"):
        Dataset.from_tables(rows, positive="rating >= 4")
    assert positive_rows(Dataset.from_tables(rows, positive="rating >= 4", blank_bad_numbers=True)) == [0, 1]
    assert positive_rows(Dataset.from_tables(rows)) == [0, 1, 2]


def test_a_rating_under_another_name_is_asked_for() -> None:
    rows = log(**{"Film-Rating": [1, 5, 3]})
    data = Dataset.from_tables(rows)
    assert positive_rows(data) == [0, 1, 2]
    assert "--column rating=Film-Rating" in data.positive.note
    assert positive_rows(Dataset.from_tables(rows, columns={"rating": "Film-Rating"})) == [1, 2]
    assert str(Dataset.from_tables(log(underscore_text=["a", "b"])).positive) == ""


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (
            {"clicked": [1, 0, 1]},
            'events count whatever clicked is; if it says which should: --positive "clicked = 1"',
        ),
        ({"is_recommended": [True, False, True]}, '--positive "is_recommended"'),
        ({"liked": ["no", "Yes", "no"]}, "--positive \"liked = 'Yes'\""),
        (
            {"amount": [5, -5, 1]},
            'amount is below 0 in 1 events, which count: if these are returns or dislikes, --positive "amount >',
        ),
        ({"liked": [1, -1, 0]}, "liked is below 0 in 1 events, which count: if these are returns or dislikes"),
        ({"voted_up": [True, False, True]}, '--positive "voted_up"'),
        ({"clicked": [1, 1, 1]}, ""),
        ({"liked": ["Anna", "Ben", "no"]}, ""),
    ],
)
def test_columns_that_may_say_so_are_named(columns: dict[str, list[Any]], said: str) -> None:
    data = Dataset.from_tables(log(**columns))
    assert data.positive_events.height == 3
    assert said in data.positive.note
    assert bool(said) == bool(str(data.positive))
    if '"' in said and said.endswith('"'):
        assert 0 < data.with_positive(said.split('"')[1]).positive_events.height < 3


def test_ratings_of_several_scales_stay_text() -> None:
    data = Dataset.from_tables(log(rating=["4/5", "8/10", "1/5"]))
    assert data.events["rating_text"].to_list() == ["4/5", "8/10", "1/5"]
    stars = Dataset.from_tables(log(rating=["4/5", "3", "1/5"]))
    assert stars.events["rating"].to_list() == [4, 3, 1]
    assert [step.note for step in stars.steps if step.name == "rating: words around its number"] == [
        "2 cells such as '4/5' are read as 4"
    ]
