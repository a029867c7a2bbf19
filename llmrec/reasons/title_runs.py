"""Runs of words that titles have in common: which of them tell what an item is."""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmrec.reasons.names import full_name, title_words

_MOST_WORDS = 4
# Words that a title holds whatever it is about, and those that say little alone.
_EMPTY_WORDS = """
a an and at by de for from ii iii in is it la le my new no of on or part set the to vol with you your
"""
_FAINT_WORDS = """
assorted bundle classic collection collector's complete deluxe edition exclusive game games limited official
original pack plus premium pro series special standard system ultimate version
"""
_EMPTY, _FAINT = frozenset(_EMPTY_WORDS.split()), frozenset(_FAINT_WORDS.split())
# What stands on both sides of these belongs to two parts of a title.
_BORDER = re.compile(r"\s[-–—|/]+\s|[:;,()\[\]|]|[.!?]\s")


def spaced(title: str) -> str:
    """Return a title's words in small letters with a space around each, a bar between its parts: " a b | c "."""
    return f" {' | '.join(' '.join(words).lower() for words in _parts(title))} "


def runs_of(title: str, *, single: bool) -> dict[tuple[str, ...], str]:
    """Return the runs of up to four words that say something, in small letters, each with how it is written.

    Without ``single`` one telling word is not enough: films named for a man are not alike.
    """
    runs: dict[tuple[str, ...], str] = {}
    for words in _parts(title):
        lower = [word.lower() for word in words]
        runs |= {
            tuple(lower[start:stop]): " ".join(words[start:stop])
            for start in range(len(lower))
            for stop in range(start + 1, min(start + _MOST_WORDS, len(lower)) + 1)
        }
    return {run: written for run, written in runs.items() if _says_something(run, single=single)}


def _parts(title: str) -> Iterator[list[str]]:
    for part in _BORDER.split(full_name(title)):
        words = title_words(part)
        if words:
            yield words


def _says_something(run: tuple[str, ...], *, single: bool) -> bool:
    full = [word for word in run if word not in _EMPTY | _FAINT and len(word) > 2 and not word.isdigit()]
    if not full or run[0] in _EMPTY or run[-1] in _EMPTY or run[0].isdigit():
        return False
    return (len(full) > 1 or single) and (len(run) > 1 or len(run[0]) > 3)
