"""Numbered titles: whether one comes right after another in a series, by the numbers that both bear."""

from __future__ import annotations

import re

from llmrec.reasons.names import BRACKETS, full_name

_ROMAN = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "X": 10}
_NUMBERED = re.compile(
    r"^(?P<base>.*?[^\W\d_]{2}.*?)[:,]?(?:\s+(?:part|vol\.?|volume|episode|chapter))?"
    r"\s+(?P<number>\d{1,2}|[IVX]{1,4})(?=$|\s*[:(\[]|\s+[-–]\s)",
    re.IGNORECASE,
)
# What bears the number then is a size, an age or the machine that it is for, not the series.
_NO_SERIES = re.compile(
    r"\s[-–—|]\s|\s(?:for|fits)\s|\b(?:of|for|size|ages?|number|no|pack|set|item|model|film|book|product)\.?$",
    re.I,
)
_ARTICLE = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)
_BY_DIGITS = 20
# A number that stands further on is none of a series; the pattern takes the square of what it reads.
_MOST_READ = 150


def series_number(title: str) -> tuple[str, int]:
    """Return the series, in small letters, and the number in it; a title without a number is the first."""
    name = BRACKETS.sub("", full_name(title))[:_MOST_READ]
    match = _NUMBERED.match(name)
    if match is None or _NO_SERIES.search(match["base"]):
        return _bare(name), 1
    written = match["number"].upper()
    number = _ROMAN.get(written, 0) if not written.isdigit() else int(written)
    # An "I" is a word, and a large number is none of a series.
    if not (0 < number <= _BY_DIGITS) or written == "I" or (not written.isdigit() and match["number"] != written):
        return _bare(name), 1
    return _bare(match["base"]), number


def follows(title: str, other: str) -> bool:
    """Whether a title bears the number right after the other's, in the same series: "Rocky II" after "Rocky"."""
    (series, number), (other_series, other_number) = series_number(title), series_number(other)
    return series == other_series and number == other_number + 1


def _bare(name: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", _ARTICLE.sub("", name).lower()))
