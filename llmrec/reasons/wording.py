"""How facts are written inside a sentence: titles, lists of titles, quotes of a language."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmrec.prompting import Language, one_line

# A title longer than this would make the sentence unreadable; it is cut at a word.
LONGEST_TITLE = 100
_MOST_READ = 2000

QUOTES: dict[Language, tuple[str, str]] = {"en": ('"', '"'), "zh": ("《", "》")}

# Catalogs sort "The Sting" as "Sting, The".
_ARTICLE_LAST = re.compile(r"^(?P<rest>.+), (?P<article>The|A|An)$")


def spoken(title: str) -> str:
    """Write a title as in a sentence: one line, its article in front, cut where it is endless."""
    line = one_line(title[:_MOST_READ])
    turned = _ARTICLE_LAST.sub(r"\g<article> \g<rest>", line)
    if len(turned) <= LONGEST_TITLE:
        return turned
    cut = turned[:LONGEST_TITLE]
    return cut[: max(cut.rfind(" "), LONGEST_TITLE // 2)].rstrip() + "…"


def quoted(title: str, language: Language) -> str:
    """Write a title in the quotes of the language."""
    opening, closing = QUOTES[language]
    return f"{opening}{spoken(title)}{closing}"


def listed(parts: Sequence[str], language: Language) -> str:
    """Join parts as the language lists them: 'a, b and c'."""
    if language == "zh":
        return "、".join(parts)
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
