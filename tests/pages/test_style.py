"""The style of pages: what is written differs from what it stands on at least as 4.5 to 1, light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import llmrec.pages
from llmrec.pages import PALETTE

STYLE = (Path(llmrec.pages.__file__).parent / "style.css").read_text(encoding="utf-8")
GROUNDS = {
    **dict.fromkeys(("ink", "soft"), ("page", "card", "tint")),
    "accent": ("card",),
    "good": ("card", "goodtint"),
    "warn": ("card", "warntint"),
}


def light(colour: str) -> float:
    """The relative luminance of a colour, as WCAG 2.2 defines it."""
    shares = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def schemes() -> list[dict[str, str]]:
    """The colours of the light scheme, and of the dark one, by name."""
    blocks = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    return [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in blocks]


def test_contrast_is_measured() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", schemes(), ids=["light", "dark"])
def test_text_can_be_read(scheme: dict[str, str]) -> None:
    pairs = [(ink, ground) for ink, grounds in GROUNDS.items() for ground in grounds]
    assert [pair for pair in pairs if contrast(scheme[pair[0]], scheme[pair[1]]) < 4.5] == []


@pytest.mark.parametrize("scheme", schemes(), ids=["light", "dark"])
def test_lines_of_figures_can_be_seen(scheme: dict[str, str]) -> None:
    assert [colour for colour in PALETTE if contrast(colour, scheme["card"]) < 3] == []
