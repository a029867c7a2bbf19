"""Read lines of Python dictionaries, as Amazon 2014 and Steam hand them out, as JSON: without running anything."""

from __future__ import annotations

import ast
import json

_MOST_BYTES = 1 << 22
_MOST_NESTED = 100
_OPENING, _CLOSING = b"[{(", b"]})"


def is_python_literal(line: bytes) -> bool:
    """Whether a line that is no JSON is a Python dictionary."""
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        as_json(line)
    except ValueError:
        return False
    return True


def as_json(line: bytes) -> bytes:
    """Return a dictionary as one line of JSON. Raises ValueError with the reason, such as its size or depth."""
    if len(line) > _MOST_BYTES:
        raise ValueError(f"it has {len(line)} bytes, more than {_MOST_BYTES}")
    if _nested(line) > _MOST_NESTED:
        raise ValueError(f"its brackets are nested more than {_MOST_NESTED} deep")
    try:
        values = ast.literal_eval(line.decode().strip())
        if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
            raise ValueError("it is no dictionary with names as keys")
        return json.dumps(values, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeError as error:
        raise ValueError(f"it is not UTF-8 text: {error}") from None
    except (SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(getattr(error, "msg", None) or str(error) or type(error).__name__) from None


def _nested(line: bytes) -> int:
    """Return how deep brackets nest at most: those within text count, too."""
    if sum(line.count(mark) for mark in (b"[", b"{", b"(", b"-", b"+", b"~")) <= _MOST_NESTED:
        return 0
    depth = deepest = 0
    for byte in line:
        if byte in _OPENING:
            depth += 1
            deepest = max(deepest, depth)
        elif byte in _CLOSING:
            depth = max(depth - 1, 0)
    return deepest
