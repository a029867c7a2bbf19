"""Reasons read a second time, from the raw data."""

from __future__ import annotations

import polars as pl
import pytest
from support.linear import Linear

import llmrec
from llmrec.data import Catalog, Histories
from llmrec.evaluation.reasons.second_reading import read_again, second_readings


@pytest.fixture
def model() -> Linear:
    titles = ["Amber Gate", "Blue Kite", "Sting, The", "Dry River", "East Wind", "Final Waltz"]
    genres = ["War, Drama", "Drama", "Crime, Drama", None, "Comedy", "Drama, Romance"]
    made = Linear(Catalog(pl.DataFrame({"item_id": list("abcdef"), "title": titles, "genres": genres})))
    made.histories = Histories.of({f"p{n}": ["a", *(["f"] if n < 6 else [])] for n in range(9)})
    return made


@pytest.mark.parametrize(
    ("sentence", "wrong"),
    [
        ('We suggest "Final Waltz" because you chose "The Sting" and "Amber Gate"; both are Drama.', []),
        ('6 of the 9 people who chose "Amber Gate" also chose "Final Waltz".', []),
        ('7 of the 9 people who chose "Amber Gate" also chose "Final Waltz".', ["Amber Gate"]),
        ('We suggest "Final Waltz" because you chose "East Wind".', ["East Wind"]),
        ('We suggest "Final Waltz" because you chose "Amber Gate"; both are War.', ["War"]),
        ('We suggest "Final Waltz", a Crime item, because you chose "Amber Gate".', ["Crime"]),
    ],
)
def test_what_the_data_do_not_say_is_wrong(sentence: str, wrong: list[str], model: Linear) -> None:
    assert [one.text for one in read_again(sentence, "f", ["a", "c"], model) if not one.is_right] == wrong


def test_reasons_that_are_shown_are_right(model: Linear) -> None:
    histories = Histories.of({"u": ["a", "b"], "v": ["d", "e"]})
    recs = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["f", "e"], "rank": [1, 1]})
    table = second_readings(model, llmrec.explain(model, recs, histories), histories)
    assert table.height >= 4
    assert table["is_right"].all()
