"""What is said and drawn about a data set."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from support.markup import check_page

from llmrec.data import Dataset, toy_films
from llmrec.data.describe import describe, gaps, popularity, warnings
from llmrec.data.describe_page import draw
from llmrec.errors import DataError

SHOP = Dataset.from_tables(
    {
        "user_id": ["u", "u", "v"],
        "item_id": ["a", "b", "a"],
        "timestamp": [1000, 8200, 9000],
        "behavior": ["view", "buy", "<script>"],
    },
    name="<b>shop</b>",
    time_format="seconds",
)


def facts(data: Dataset) -> dict[str, str]:
    return dict(describe(data).iter_rows())


def test_the_facts() -> None:
    said = facts(SHOP)
    assert said["pause between events, quartiles"] == "2 h, 2 h, 2 h"
    assert said["behaviors"].startswith("view 1") or "buy 1" in said["behaviors"]
    assert said["items whose title is text, not the id"] == "0%"
    assert "nothing to read" in said["warning 1"]
    assert "no user has 3 events" in said["warning 2"]
    assert (gaps(SHOP).tolist(), popularity(SHOP).tolist()) == ([7200], [2, 1])
    assert warnings(toy_films()) == []
    assert "behaviors" not in facts(toy_films())


def test_a_page_that_needs_nothing_else_and_runs_nothing(tmp_path: Path) -> None:
    page, picture = draw(
        SHOP, tmp_path / "out", item_lines=lambda rows: [f"{row[0]}!\n" for row in rows.iter_rows()]
    )
    text = page.read_text(encoding="utf-8")
    elements = check_page(text)
    assert len(elements.of("svg")) == 5
    assert "<b>shop" not in text
    assert "&lt;script&gt;" in text
    assert "<h2>2 items, drawn at random</h2>" in text
    assert "a!\nb!</pre>" in text or "b!\na!</pre>" in text
    assert "Person u, of median length: the newest 2 of 2 events" in text
    assert "1970-01-01 00:16" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(DataError, match="exists already"):
        draw(SHOP, tmp_path / "out")


def test_order_only_data_is_drawn_without_times(tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": ["u"], "item_id": ["a"]})
    page, _ = draw(Dataset.from_tables(events), tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    check_page(text)
    assert "What a language model reads" not in text
    assert "timestamp" not in text.split("One history")[1]
