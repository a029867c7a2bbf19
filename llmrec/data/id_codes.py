"""Encode ids as integer codes while a log is cleaned: a tenth of the memory, several times the speed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from llmrec.arrays import Int64s, UInt32s, UInt64s
from llmrec.data.columns import ITEM, USER
from llmrec.data.ids import BLANKS
from llmrec.data.protected_text import NOTHING, doubt_of, unprotected
from llmrec.errors import DataError

_MISSING = np.uint32(2**32 - 1)
# Buckets of the hash table per id in it, as a power of two: few ids have to probe further than their first bucket.
_BUCKETS_LOG2 = 2
# Rows encoded at once: what is computed for them stays small, whatever the log.
_BLOCK_ROWS = 1 << 20
_THREADED_ROWS = 1 << 16
_SHOWN = 40
# As pandas writes whole numbers of a column with gaps.
_FLOAT, _WHOLE = r"^(-?\d+)\.0+$", rf"^(?i)(?:-?\d+(?:\.0+)?|{NOTHING})$"
# A large number as spreadsheets write it, such as 1.61E+12.
ROUNDED = r"^\d(?:[.,]\d+)?[eE]\+\d+$"
# The multiplier of splitmix64: odd, with well-mixed bits.
_SPREAD = np.array(0x9E3779B97F4A7C15, dtype=np.uint64)


@dataclass(frozen=True, eq=False)
class EncodedIds:
    """Ids as codes (UInt32, null where an id is missing) into ``names``, which are sorted and distinct.

    ``note`` counts the ids that were rewritten (blanks around them, 7.0 for 7, ="7"), "" where none was.
    ``doubt`` says which of them another program may have rewritten, "" where none looks so.
    """

    codes: pl.Series
    names: pl.Series
    note: str = ""
    doubt: str = ""

    def text(self) -> pl.Series:
        """Write the ids as text again."""
        return self.names.gather(self.codes).alias(self.codes.name)


class IdEncoder:
    """Encodes ids block by block: its memory grows with the distinct ids, not with the rows.

    Much faster than grouping: a hash table with open addressing holds the code of each hash. Every row's text is
    compared with the name that its code stands for, so that no two ids of one hash are confused.
    """

    def __init__(self, name: str) -> None:
        # Code 0 is the blank, and what an empty bucket holds.
        self._names = pl.Series(name, [""], dtype=pl.String)
        self._hashes = self._names.hash().to_numpy().copy()
        self._table = np.zeros(2, dtype=np.uint32)
        self._probes = 0
        self._collided: dict[str, int] = {}

    def codes(self, text: pl.Series) -> UInt32s:
        """Return a code for each id, uint32 [n]; a missing one counts as blank."""
        text = text.fill_null("")
        hashes = text.hash().to_numpy()
        codes, missed = self._look_up(hashes)
        if len(missed):
            first = missed[pl.Series(hashes[missed]).arg_unique().to_numpy()]
            self._add(text.gather(first), hashes[first])
            codes[missed] = self._look_up(hashes[missed])[0]
        # Two texts with one hash: so rare that time does not matter.
        for row in (self._names.gather(codes) != text).arg_true():
            codes[row] = self._collided_code(text[row])
        return codes

    def sorted_ids(self, codes: UInt32s, *, label: str, raw: bool = False) -> EncodedIds:
        """Return codes of sorted names, see ``encode_ids``. Raises DataError for an id that spans lines."""
        return _sorted(codes, self._names, label=label, raw=raw)

    def enum(self, codes: UInt32s) -> pl.Series:
        """Return the ids as a column that holds each of them once."""
        kind = pl.Enum(self._names)
        physical = pl.Series(dtype=kind).to_physical().dtype
        return pl.Series(self._names.name, codes).cast(physical).cat.to(kind)

    def _look_up(self, hashes: UInt64s) -> tuple[UInt32s, Int64s]:
        """Return the codes and the rows whose hash is not known yet."""
        codes = self._table[self._buckets(hashes, 0)]
        missed = np.flatnonzero(self._hashes[codes] != hashes)
        for probe in range(1, self._probes):
            if not len(missed):
                break
            sought = hashes[missed]
            codes[missed] = probed = self._table[self._buckets(sought, probe)]
            missed = missed[self._hashes[probed] != sought]
        blank = hashes[missed] == self._hashes[0]  # its bucket may have gone to another
        codes[missed[blank]] = 0
        return codes, missed[~blank]

    def _add(self, names: pl.Series, hashes: UInt64s) -> None:
        fresh = np.arange(len(self._hashes), len(self._hashes) + len(hashes), dtype=np.uint32)
        self._names = pl.concat([self._names, names], rechunk=True)
        self._hashes = np.concatenate([self._hashes, hashes])
        if len(self._hashes) << _BUCKETS_LOG2 > len(self._table):
            self._table = np.zeros(1 << (len(self._hashes) << _BUCKETS_LOG2).bit_length(), dtype=np.uint32)
            self._probes = 0
            fresh = np.arange(1, len(self._hashes), dtype=np.uint32)
            fresh = fresh[~np.isin(fresh, list(self._collided.values()))]
        probe = 0
        while len(fresh):
            buckets = self._buckets(self._hashes[fresh], probe)
            free = self._table[buckets] == 0
            self._table[buckets[free]] = fresh[free]
            fresh = fresh[self._table[buckets] != fresh]
            probe += 1
        self._probes = max(self._probes, probe)

    def _buckets(self, hashes: UInt64s, probe: int) -> UInt64s:
        """Return each hash's bucket, another at every probe: multiplication by an odd number that wraps around."""
        bits = len(self._table).bit_length() - 1
        return (hashes * (_SPREAD * np.uint64(2 * probe + 1) | np.uint64(1))) >> np.uint64(64 - bits)

    def _collided_code(self, name: str) -> int:
        if name not in self._collided:
            self._collided[name] = len(self._hashes)
            self._names = pl.concat([self._names, pl.Series([name])], rechunk=True)
            self._hashes = np.append(self._hashes, self._hashes[0])
        return self._collided[name]


def encode_ids(column: pl.Series, *, label: str, raw: bool = False) -> EncodedIds:
    """Encode an id column, written by the rule of ``llmrec.data.ids``. Blank ids are missing.

    ``raw``: as somebody exported it; what protects all of its ids from spreadsheets (="007") is taken off.
    Raises DataError for what is no id, and for one that spans lines: a stray quote may have swallowed rows.
    """
    if isinstance(column.dtype, pl.Enum):
        physical = column.to_physical().cast(pl.UInt32)
        names = column.dtype.categories
        if physical.null_count():
            names = pl.concat([names, pl.Series([""], dtype=pl.String)])
            physical = physical.fill_null(len(names) - 1)
        return _sorted(physical.to_numpy(), names.alias(column.name), label=label, raw=raw)
    text, encoder = ids_as_text(column, label=label), IdEncoder(column.name)
    codes = np.empty(len(text), dtype=np.uint32)
    for start in range(0, len(text), _BLOCK_ROWS):
        codes[start : start + _BLOCK_ROWS] = encoder.codes(text.slice(start, _BLOCK_ROWS))
    return encoder.sorted_ids(codes, label=label, raw=raw)


def _sorted(codes: UInt32s, names: pl.Series, *, label: str, raw: bool) -> EncodedIds:
    """Return codes of the names that occur, sorted and distinct, as ``_plain_ids``; a blank one is missing."""
    codes, names, note, doubt = _plain_ids(codes, names, raw=raw)
    used = np.zeros(len(names), dtype=bool)
    used[codes] = True
    broken = names.filter(used & names.str.contains("\n", literal=True).to_numpy())
    if broken.len():
        value = broken[0][:_SHOWN]
        raise DataError(f"{label}: {names.name} {value!r} spans lines; look for a quote that is never closed")
    present = used & (names != "").to_numpy()
    order = names.arg_sort().to_numpy()
    order = order[present[order]]
    new = np.full(len(names), _MISSING, dtype=np.uint32)
    new[order] = np.arange(len(order), dtype=np.uint32)
    sorted_codes = pl.Series(names.name, new[codes])
    if not present[used].all():
        known = pl.when(sorted_codes != _MISSING).then(sorted_codes)
        sorted_codes = pl.select(known).to_series().alias(names.name)
    return EncodedIds(sorted_codes, names.gather(order), note, doubt)


def _plain_ids(codes: UInt32s, names: pl.Series, *, raw: bool) -> tuple[UInt32s, pl.Series, str, str]:
    """Rewrite names that mean one id: "a " as "a", and where all are numbers, 7.0 as 7. The note counts rows."""
    plain, doubt = names.str.strip_chars(BLANKS), ""
    if raw:
        plain, doubt = _without_protection(plain, codes)
    present = plain.filter(plain != "")
    if (ends := present.str.ends_with("0")).any() and present.filter(ends).str.contains(_FLOAT).any():
        numbers = len(present) > 0 and bool(present.str.contains(_WHOLE).all())
        plain = plain.str.replace(_FLOAT, "$1") if numbers else plain
    changed = plain != names
    rounded = names.filter(names.str.contains(ROUNDED))
    note = f"ids such as {rounded[0]!r} look rounded by a spreadsheet: export them as text" if len(rounded) else ""
    if not changed.any():
        return codes, names, note, doubt
    distinct = plain.unique().sort()
    rows = (changed & (plain != "")).to_numpy()[codes]
    if rows.any():
        name = int(codes[rows.argmax()])
        first, second = (repr(text[:_SHOWN]) for text in (names[name], plain[name]))
        rewritten = f"{int(rows.sum()):,} of {len(codes):,} ids rewritten, such as {first} as {second}"
        note = f"{rewritten}; {note}" if note else rewritten
    return distinct.search_sorted(plain).to_numpy().astype(np.uint32)[codes], distinct, note, doubt


def _without_protection(names: pl.Series, codes: UInt32s) -> tuple[pl.Series, str]:
    """Return names without what protects all that occur, and what to say where it protects only some."""
    if not names.str.contains(r"^[=']").any():
        return names, ""
    used = np.zeros(len(names), dtype=bool)
    used[codes] = True
    rows = pl.Series(used.nonzero()[0])
    bare = unprotected(names.gather(rows), apostrophes=True)
    return names.clone().scatter(rows, bare.str.strip_chars(BLANKS)), doubt_of(bare)


def encode_used(codes: pl.Series, names: pl.Series) -> EncodedIds:
    """Leave out the names that no row has, and renumber the others."""
    used = np.zeros(len(names), dtype=bool)
    used[codes.to_numpy()] = True
    if used.all():
        return EncodedIds(codes, names)
    new = (np.cumsum(used) - 1).astype(np.uint32)
    return EncodedIds(pl.Series(codes.name, new[codes.to_numpy()]), names.filter(used))


def ids_as_text(column: pl.Series, *, label: str) -> pl.Series:
    """Return ids as text; in a column of floats those that are no number are missing. Raises DataError."""
    if column.dtype == pl.Boolean:
        raise DataError(f"{label}: {column.name} holds true and false, which name nobody; name another column")
    if not column.dtype.is_float():
        return column.cast(pl.String)
    numbers = pl.select(pl.when(column.is_finite()).then(column)).to_series().alias(column.name)
    # Where a float no longer holds every whole number, digits are lost already.
    exact = (numbers % 1 == 0) & (numbers.abs() < 2.0 ** (24 if column.dtype == pl.Float32 else 53))
    if not exact.all():
        row = int((~exact).fill_null(False).arg_true()[0])
        raise DataError(
            f"{label}: {column.name} {numbers[row]!r} in data row {row + 1} is no whole number that a float holds "
            "exactly, and so no id; read the column as text"
        )
    return numbers.cast(pl.Int64).cast(pl.String)


def with_text_ids(events: pl.DataFrame, users: pl.Series, items: pl.Series) -> pl.DataFrame:
    """Write the ids of encoded events as text again."""
    return events.with_columns(users.gather(events[USER]).alias(USER), items.gather(events[ITEM]).alias(ITEM))


def time_order(users: pl.Series, micros: pl.Series) -> pl.Series:
    """Return the rows in order of user code, then time, ties in their order."""
    if not len(users):
        return pl.Series(dtype=pl.UInt32)
    times = micros.to_numpy()
    # Most logs have whole seconds, or milliseconds: smaller numbers leave bits for the user.
    unit = next(unit for unit in (1_000_000, 1_000, 1) if not (times % unit).any())
    earliest, latest = int(times.min()) // unit, int(times.max()) // unit
    span = latest - earliest + 1
    last = span * (int(users.to_numpy().max()) + 1)
    # In one number where it fits: sorting by one key takes a fraction of the time that two take.
    if last.bit_length() <= min(63, 64 + 16 - len(users).bit_length()):
        keys = users.to_numpy() * np.uint64(span)
        keys += (times // unit - earliest).view(np.uint64)
        return pl.Series(_order(keys, last.bit_length()))
    table = pl.DataFrame({"user": users, "time": micros})
    return table.with_row_index("row").sort(table.columns, maintain_order=True)["row"]


def _order(keys: UInt64s, bits: int) -> UInt32s:
    """Return the stable order of keys of so many bits, by one radix pass over the leading digit.

    Within a digit, the rest of the key and the row's position make one number, so that plain sorting is stable.
    """
    position_bits = len(keys).bit_length()
    digit = np.uint8 if bits + position_bits <= 64 + 8 else np.uint16
    shift = np.uint64(max(bits - 8 * digit().itemsize, 0))
    digits = (keys >> shift).astype(digit)
    rows = np.argsort(digits, kind="stable").astype(np.uint32)
    ends = np.cumsum(np.bincount(digits)).tolist()
    rest, position = (np.uint64((1 << int(n)) - 1) for n in (shift, position_bits))

    def sort_digit(start: int, end: int) -> None:
        block = rows[start:end]
        numbers = (keys[block] & rest) << np.uint64(position_bits)
        numbers |= np.arange(len(block), dtype=np.uint64)
        numbers.sort()
        rows[start:end] = block[numbers & position]

    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        each = pool.map if len(rows) > _THREADED_ROWS else map  # handing out few rows takes longer than sorting
        list(each(sort_digit, [0, *ends[:-1]], ends))
    return rows
