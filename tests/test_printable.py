"""What is shown on a terminal moves no cursor, clears no screen and turns no direction."""

from __future__ import annotations

import json
import re
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmrec.printable import printable, printable_json, printable_lines
from llmrec.prompting import one_line

BAD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, é 电影 🎬", "plain, é 电影 🎬"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31mred", "\\x9b31mred"),
        ("bell\x07 null\x00 del\x7f", "bell\\x07 null\\x00 del\\x7f"),
        ("a\tb\r\n  c\u2028d\x85e", "a b c d e"),
        ("\u202egpj.exe", "gpj.exe"),
        ("family: 👨‍👩‍👧", "family: 👨‍👩‍👧"),
        ("half \ud83d", "half \\ud83d"),
        ("[red]x[/red] \\x1b", "[red]x[/red] \\x1b"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(ANY)
def test_nothing_else_is_left(text: str) -> None:
    for shown in (printable(text), printable(text, longest=20), one_line(text)):
        assert not BAD.search(shown)
        assert "\n" not in shown
    assert not BAD.search(printable_lines(text))
    assert len(printable(text, longest=20)) <= 20
    shown = printable_json({text: [text]})
    assert not BAD.search(shown)
    assert json.loads(shown) == {text: [text]}
    assert json.loads(printable_json([text], ascii_only=True)) == [text]


def test_lines_stay_lines() -> None:
    assert printable_lines("a\n  b\x1b[m\n") == "a\n  b\\x1b[m"


def test_infinity_is_no_json() -> None:
    shown = printable_json([{"price": float("inf"), "rating": float("nan"), "n": [1, 2.5]}])
    assert json.loads(shown, parse_constant=pytest.fail) == [{"price": None, "rating": None, "n": [1, 2.5]}]


def test_what_is_cut_costs_no_more_for_being_longer() -> None:
    text = "\x1b[2J wide " * 1_000_000
    began = time.process_time()
    assert printable(text, longest=30) == "\\x1b[2J wide \\x1b[2J wide \\x1…"
    assert time.process_time() - began < 0.5
    assert sys.getsizeof(printable(text, longest=30)) < 200
