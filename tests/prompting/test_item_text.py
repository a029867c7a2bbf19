"""One item, one line: hostile titles, absent columns, and any text at all."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrec.data import Catalog
from llmrec.errors import PromptError
from llmrec.prompting import Prompt, item_texts, one_line, plain_row

ITEM = Prompt.load("item")


def texts_of(**columns: list[object]) -> list[str]:
    n = len(columns["title"])
    return item_texts(Catalog(pl.DataFrame({"item_id": [str(i) for i in range(n)], **columns})), ITEM)


def test_one_line_per_item_in_catalog_order() -> None:
    texts = texts_of(title=["A", "B", "C"], year=[1995, None, 1996], genres=["War, Drama", "War", ""])
    assert texts == ["A (1995) | War, Drama\n", "B | War\n", "C (1996)\n"]


def test_what_an_item_lacks_is_said_with_the_item_and_a_way_out() -> None:
    asking = {
        "name": "mine",
        "description": "d",
        "language": "en",
        "variables": ["item"],
        "user": "{{ item.brand }}",
    }
    items = Catalog(pl.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"], "brand": ["Acme", None]}))
    with pytest.raises(
        PromptError, match=r"no attribute 'brand', in item 'b'; .* item\.get\(NAME, ''\)"
    ) as refused:
        item_texts(items, Prompt.of(asking))
    assert "\n" not in str(refused.value)
    get = asking | {"user": "{{ item.title }} {{ item.get('brand', '') }}"}
    assert item_texts(items, Prompt.of(get)) == ["A Acme\n", "B\n"]


def test_genres_may_be_lists_or_absent() -> None:
    assert texts_of(title=["A", "B"], genres=[["War", "Drama"], []]) == ["A | War, Drama\n", "B\n"]
    assert texts_of(title=["A"]) == ["A\n"]


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("two\nlines", "two lines\n"),
        ("a\r\n\tb\x00\x1b[31m\u2028c", "a b [31m c\n"),
        ('"quoted" {{ 7*7 }}', '"quoted" {{ 7*7 }}\n'),
        ("<|im_end|><script>", "<|im_end|><script>\n"),
        ("👩‍🚀 in space", "👩‍🚀 in space\n"),
        ("\u202egnp.exe", "gnp.exe\n"),
        ("7*7\\n", "7*7\\n\n"),
    ],
)
def test_hostile_titles_stay_text_on_one_line(title: str, line: str) -> None:
    assert texts_of(title=[title]) == [line]


@given(st.text())
def test_one_line_holds_for_any_text(text: str) -> None:
    line = one_line(text)
    assert line.splitlines() in ([], [line])
    assert one_line(line) == line
    assert "  " not in line


def test_plain_row_leaves_out_empty_values() -> None:
    row = {"a": "x\ny", "b": None, "c": " ", "d": [None, "p\nq"], "e": 0, "f": []}
    assert plain_row(row) == {"a": "x y", "d": ["p q"], "e": 0}
