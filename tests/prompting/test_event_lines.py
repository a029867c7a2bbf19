"""Events as words before their item's line, in each form and both languages."""

from __future__ import annotations

import polars as pl
import pytest

from llmrec.data import Dataset, Histories
from llmrec.prompting import Prompt
from llmrec.prompting.events import history_texts

DAY = 86400
DATA = Dataset.from_tables(
    {
        "user_id": ["u"] * 5,
        "item_id": ["a", "b", "a", "b", "a"],
        "timestamp": [0, 30, 630, 630 + 3 * 3600, 4 * DAY],
        "behavior": ["pv", "{{ x }}", "cart", "buy", "buy"],
        "rating": [None, None, None, 4.0, 4.5],
        "price": [None, None, None, None, 2.5],
    },
    items={"item_id": ["a", "b"], "title": ["Film A", "Film B"]},
)


def lines(form: str, language: str = "en", histories: Histories | None = None) -> list[list[str]]:
    item, event = (Prompt.load(name, language) for name in ("item", "event"))  # type: ignore[arg-type]
    known = DATA.histories if histories is None else histories
    return history_texts(known, DATA.catalog, form, item=item, event=event)  # type: ignore[arg-type]


def test_order_is_the_item_lines_alone() -> None:
    assert lines("order") == [["Film A\n", "Film B\n", "Film A\n", "Film B\n", "Film A\n"]]


def test_gaps_stand_before_the_item() -> None:
    assert lines("gaps")[0] == [
        "Film A\n",
        "[at once] Film B\n",
        "[after 10 minutes] Film A\n",
        "[after 3 hours] Film B\n",
        "[after 3 days] Film A\n",
    ]


def test_the_full_form_says_all_that_is_known() -> None:
    assert lines("full")[0] == [
        "[pv] Film A\n",
        "[at once, {{ x }}] Film B\n",
        "[after 10 minutes, cart] Film A\n",
        "[new visit, after 3 hours, buy, rated 4] Film B\n",
        "[new visit, after 3 days, buy, rated 4.5, price 2.5] Film A\n",
    ]
    assert lines("full", "zh")[0][4] == "[新访问，3天后，buy，评分4.5，价格2.5] Film A\n"


def test_more_than_one_piece_is_said() -> None:
    for language, said in (("en", "[buy, 3 pieces]"), ("zh", "[buy，3件]")):
        prompt = Prompt.load("event", language)  # type: ignore[arg-type]
        assert prompt.render("user", event={"behavior": "buy", "quantity": 3.0}) == said
        assert prompt.render("user", event={"behavior": "buy", "quantity": 1.0}) == "[buy]"


@pytest.mark.parametrize("form", ["order", "gaps", "full"])
def test_unknown_items_and_empty_histories_write_nothing(form: str) -> None:
    events = DATA.events.with_columns(pl.lit("gone").alias("item_id"))
    assert lines(form, histories=Histories.from_events(events, users=["u", "v"])) == [[], []]
