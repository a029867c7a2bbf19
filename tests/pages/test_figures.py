"""Figures: one colour a name whatever the order, axes in plain numbers, a name for those who do not see them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from llmrec.pages import PALETTE, colours, plain_axis, short, svg, time_axis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = ["llm", "gru", "lstm", "item-knn", "rules", "popularity", "markov"]


def test_a_name_has_its_colour_whatever_the_order() -> None:
    given = colours(NAMES)
    assert colours(reversed(NAMES)) == given
    assert len(set(given.values())) == len(NAMES)
    assert set(given.values()) <= set(PALETTE)


def test_colours_repeat_only_when_all_are_taken() -> None:
    many = colours(str(n) for n in range(2 * len(PALETTE)))
    assert {colour: list(many.values()).count(colour) for colour in PALETTE} == dict.fromkeys(PALETTE, 2)


@pytest.mark.parametrize("timed", [False, True])
def test_a_logarithmic_axis_shows_numbers(timed: bool) -> None:
    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0.1, 86_400], [1, 2])
        axes.set_xscale("log")
        (time_axis if timed else plain_axis)(axes.xaxis)

    drawn = svg(draw, width=8, height=2, prefix="a", label="x & y")
    texts = set(re.findall(r"<text[^>]*>([^<]*)</text>", drawn))
    assert ({"0.1 s", "1 min", "1 h", "1 day"} if timed else {"0.1", "10", "10,000"}) <= texts
    assert "$" not in "".join(texts)
    assert drawn.startswith('<svg role="img" aria-label="x &amp; y" ')


def test_a_long_name_is_cut() -> None:
    assert short("a" * 24) == "a" * 24
    assert short("a" * 25) == "a" * 23 + "…"
