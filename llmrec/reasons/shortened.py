"""Whether a name is what people say for a long title: its beginning, up to where its list of features begins."""

from __future__ import annotations

import re

# What stands behind these tells of a product, it does not name it.
_BREAK = re.compile(r"(?:\s[-–—|]\s|[,(\[]|\s(?:with|for|compatible|featuring|including)\b|\s\()", re.IGNORECASE)
_WORDS_OF_A_LONG_TITLE, _WORDS_OF_A_NAME = 8, 4
_SIZE = re.compile(r"\s+\d+\s?\w{0,3}$|\s+[\u4e00-\u9fff]{1,3}$")


def is_name_of(name: str, title: str) -> bool:
    """Whether a name of two or more words is a beginning of a title that ends where a reader would let it end."""
    rest = title[len(name) :]
    if (
        len(name.split()) < 2
        or not rest
        or not title.startswith(name)
        or (rest[0].isalnum() and name[-1].isalnum())
    ):
        return False
    if _BREAK.match(rest) or _SIZE.fullmatch(rest):
        return True
    return len(title.split()) >= _WORDS_OF_A_LONG_TITLE and len(name.split()) >= _WORDS_OF_A_NAME
