"""Conditions of a filter as strangers may write them: comparisons of columns, no queries, of functions CAST."""

from __future__ import annotations

import re

from llmrec.errors import DataError

MOST_TOKENS, MOST_DEPTH = 100, 10
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^'\\]|'')*')
      | (?P<quoted>"(?:[^"\\]|"")+")
      | (?P<word>[^\W\d]\w*)
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?)
      | (?P<sign><=|>=|<>|!=|[=<>+*%(),]|/(?!\*)|-(?!-))
    )\s*""",
    re.VERBOSE,
)
# Words that may stand before a bracket without calling anything.
_OPERATORS = frozenset({"and", "or", "not", "in", "between", "like", "ilike", "when", "then", "else"})
# A number out of each text, which takes no room: numbers that the catalog holds as text are compared by it.
_CALLED = frozenset({"cast", "try_cast"})
_QUERIES = frozenset({"select", "from", "with", "exists", "table", "values"})


def check_condition(text: object) -> str:
    """Return a condition. Raises DataError for what is more than comparisons: calls, queries, deep nesting.

    Other functions than CAST, such as ``repeat``, could fill the memory, and every request may name one.
    """
    if not isinstance(text, str):
        raise DataError("a condition is text such as price < 50")
    position, depth, tokens, previous = 0, 0, 0, ""
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise DataError(f"the condition cannot be read at character {position + 1}; write such as price < 50")
        token, position, tokens = match.group().strip(), match.end(), tokens + 1
        depth += (token == "(") - (token == ")")
        if depth > MOST_DEPTH or tokens > MOST_TOKENS:
            raise DataError(f"a condition has at most {MOST_TOKENS} words and signs, nested {MOST_DEPTH} deep")
        if match["word"] and token.lower() in _QUERIES:
            raise DataError(f"a condition holds no queries ({token}); a column of this name is written in quotes")
        if token == "(" and previous and previous.lower() not in _OPERATORS | _CALLED:
            raise DataError(f"a condition calls no functions ({previous}); compare columns, such as price < 50")
        previous = token if match["word"] or match["quoted"] or match["text"] or match["number"] else ""
    return text
