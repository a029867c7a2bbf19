"""One rule for ids given in Python, wherever they are given.

Text stands as it is, but for blanks around it: "a " is "a". Whole numbers, also numpy's, are written in decimal
digits, and so are floats that are whole, as pandas makes them of a column with gaps: 7 and 7.0 are "7". True, 1.5,
None, NaN and all else is no id.
"""

from __future__ import annotations

import math
import operator
import zlib
from collections.abc import Mapping, Sequence, Set

import numpy as np
import polars as pl

from llmrec.arrays import Int64s
from llmrec.errors import DataError

_LONGEST_SHOWN = 60
# What around an id means nothing: white space, and characters without a width, which a copied id may have.
BLANKS = "".join(chr(n) for n in (*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200C))) + (
    "\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)


def id_of(value: object, *, label: str = "id") -> str:
    """Return an id as text. Raises DataError, whose message begins with ``label``, for what is no id."""
    if isinstance(value, str):
        return str.__str__(value).strip(BLANKS)
    if isinstance(value, bool | np.bool_):
        raise _no_id(value, label, "true and false name nobody")
    try:
        return str(operator.index(value))  # type: ignore[arg-type]
    except TypeError:
        pass
    if isinstance(value, float | np.floating):
        bits = np.finfo(type(value)).nmant + 1 if isinstance(value, np.floating) else 53
        return _whole(float(value), bits, label)
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        raise _no_id(value, label, "an id is missing; leave it out")
    raise _no_id(value, label, f"a {type(value).__name__} is neither text nor a whole number; write it as text")


def ids_of(values: object, *, label: str = "ids") -> list[str]:
    """Return a list of ids as text. Raises DataError for what is no list of ids: text, a mapping, a set."""
    if isinstance(values, str | bytes):
        raise DataError(
            f"{label}: a list of ids is meant, not the text {_shown(values)}; write [{_shown(values)}]"
        )
    try:
        if isinstance(values, Set | Mapping):
            raise TypeError  # they have no order
        listed: list[object] = list(values)  # type: ignore[call-overload]
    except TypeError:
        kind = type(values).__name__
        raise DataError(f"{label}: a list of ids is meant, not a {kind}; write ['1', '7']") from None
    if set(map(type, listed)) <= {str, int}:
        return [text.strip(BLANKS) for text in map(str, listed)]
    return [id_of(value, label=label) for value in listed]


def some_ids(values: object, *, label: str = "ids") -> list[str]:
    """Return a list of ids as text, also of a single id: "50" and 50 are ["50"]. Raises DataError as above."""
    one = isinstance(values, str | int | np.integer) and not isinstance(values, bool)
    return ids_of([values] if one else values, label=label)


def id_column(values: object, name: str, *, label: str = "ids") -> pl.Series:
    """Return ids as a column of text. Raises DataError as ``ids_of`` does; nulls in a text column stay."""
    if isinstance(values, pl.Series):
        kind = values.dtype
        if kind == pl.String or isinstance(kind, pl.Categorical | pl.Enum):
            return values.cast(pl.String).str.strip_chars(BLANKS).alias(name)
        if kind.is_integer() and not values.has_nulls():
            return values.cast(pl.String).alias(name)
    try:
        return pl.Series(name, ids_of(values, label=label), dtype=pl.String)
    except UnicodeEncodeError as error:
        raise DataError(f"{label}: an id holds half a character (a lone surrogate): {error.reason}") from error


def id_hashes(ids: Sequence[str], *, seed: int = 0) -> Int64s:
    """Return a hash of each id, int64 [n] below 2**32, that draws parts of them: other ids change nothing.

    It is CRC-32, the same everywhere; that of a polars Series is another one in other versions of polars.
    """
    return np.array([zlib.crc32(one.encode(), seed) for one in ids], dtype=np.int64)


def whole_number(value: object, *, label: str, least: int = 1) -> int:
    """Return a count such as ``k``, also a numpy one. Raises DataError for less than ``least`` and other types."""
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None:
        raise DataError(
            f"{label} is a whole number such as 10, not {_shown(value)} of type {type(value).__name__}"
        )
    if number < least:
        raise DataError(f"{label} must be at least {least}, got {number}")
    return number


def _whole(value: float, bits: int, label: str) -> str:
    if not math.isfinite(value):
        raise _no_id(value, label, "an id is missing; leave it out")
    if value != int(value):
        raise _no_id(value, label, "a number with a fraction is no id; write it as text if it is one")
    if abs(value) >= 2.0**bits:
        raise _no_id(value, label, "a float of this size has lost digits; read the ids as text")
    return str(int(value))


def _no_id(value: object, label: str, why: str) -> DataError:
    return DataError(f"{label}: {_shown(value)} is no id: {why}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
