"""Text that a terminal may be shown: nothing in it moves the cursor, clears the screen or turns the direction."""

from __future__ import annotations

import json
import re

# Marks that turn the reading direction of all text after them. Other format characters stay: emoji are joined
# by one.
DIRECTION = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
SURROGATE = re.compile("[\ud800-\udfff]")

_UNPRINTABLE = re.compile(f"{CONTROL.pattern}|{SURROGATE.pattern}")
_UNPRINTABLE_JSON = re.compile(f"[\x7f-\x9f\u2028\u2029]|{DIRECTION.pattern}|{SURROGATE.pattern}")


def printable(text: str, *, longest: int | None = None) -> str:
    r"""Write text on one line: white space as single spaces, control characters as escapes such as ``\x1b``.

    Direction marks are dropped, half characters (lone surrogates) are escaped, too. More than ``longest``
    characters are cut; what a text costs does not grow beyond that.
    """
    # Twice as many, so that white space and marks that go leave enough.
    part = text if longest is None else text[: 2 * longest]
    line = _escaped(" ".join(DIRECTION.sub("", part).split()))
    if longest is None or (len(line) <= longest and len(part) == len(text)):
        return line
    return line[: longest - 1].rstrip() + "…"


def printable_lines(text: str) -> str:
    """Write text of several lines, their indentation as it is, without control characters."""
    return "\n".join(_escaped(DIRECTION.sub("", line)) for line in text.splitlines())


def printable_json(value: object, *, ascii_only: bool = False) -> str:
    r"""Write JSON whose strings hold control characters and direction marks as escapes such as ``\u009b``.

    What is no number in JSON, infinity and NaN, becomes null.
    """
    text = json.dumps(_finite(value), ensure_ascii=ascii_only, indent=2, allow_nan=False)
    # They stand in strings only: JSON has no other place for them.
    return _UNPRINTABLE_JSON.sub(lambda mark: f"\\u{ord(mark.group()):04x}", text)


def _finite(value: object) -> object:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def _escaped(text: str) -> str:
    return _UNPRINTABLE.sub(_escape, text)


def _escape(mark: re.Match[str]) -> str:
    code = ord(mark.group())
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
