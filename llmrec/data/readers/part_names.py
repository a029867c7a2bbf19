"""What a file's name says of its part in a log: a month, a number, a split, a behavior; and what is left."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llmrec.data.cleaning.behavior_names import NEGATIVE, STRENGTHS

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("january", "jan", "januar", "janvier", "janv", "enero", "ene"),
            ("february", "feb", "februar", "fevrier", "fevr", "fev", "febrero"),
            ("march", "mar", "marz", "maerz", "mrz", "mars", "marzo"),
            ("april", "apr", "avril", "avr", "abril", "abr"),
            ("may", "mai", "mayo"),
            ("june", "jun", "juni", "juin", "junio"),
            ("july", "jul", "juli", "juillet", "juil", "julio"),
            ("august", "aug", "aout", "agosto", "ago"),
            ("september", "sep", "sept", "septembre", "septiembre", "setiembre"),
            ("october", "oct", "oktober", "okt", "octobre", "octubre"),
            ("november", "nov", "novembre", "noviembre"),
            ("december", "dec", "dezember", "dez", "decembre", "diciembre", "dic"),
        ),
        start=1,
    )
    for name in names
}
_SPLITS = {
    **dict.fromkeys(("train", "training"), 0),
    **dict.fromkeys(("valid", "validation", "val", "dev", "eval"), 1),
    **dict.fromkeys(("test", "testing", "holdout"), 2),
}
_PARTS = frozenset(
    {
        *("part", "parts", "chunk", "shard", "split", "batch", "of", "fold"),
        *("quarter", "quartal", "trimestre", "half", "halbjahr", "semestre", "year", "jahr"),
        *("month", "monat", "week", "kw", "woche", "semaine", "semana", "day", "tag"),
    }
)
# As in 2024q1, h2, w07: only beside a number.
_UNITS = frozenset("yhqmwdt")
_PLURALS = ("", "s", "es", "n", "en")
_LONGEST_KIND = 3
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_YEARS = range(1900, 2100)
PACKED = (".gz", ".zst", ".bz2")
_LAST = 9


@dataclass(frozen=True)
class PartName:
    """The name of a file: ``rest`` are its words that say nothing of its part, ``kind`` is the behavior it names.

    ``order``: by it the parts of one log come as they follow each other.
    """

    rest: str
    kind: str
    order: tuple[tuple[int, str], ...]

    @property
    def takes_back(self) -> bool:
        """Whether its kind is what is sent back, cancelled, removed or disliked."""
        return STRENGTHS.get(self.kind) == NEGATIVE


def stem(path: Path) -> str:
    """Return the file's name up to its first point: ``events.csv.gz`` gives ``events``."""
    return path.name.split(".")[0] or path.name


def ending_of(path: Path) -> str:
    """Return the ending of the file's format, in lower case: ``events.CSV.gz`` gives ``.csv``, ``events`` none."""
    endings = [ending.lower() for ending in path.suffixes if ending.lower() not in PACKED]
    return endings[-1] if endings else ""


def without_ending(path: Path) -> str:
    """Return the file's name without that of its format: ``ml.train.csv.gz`` gives ``ml.train``."""
    name = path.name
    for ending in (*PACKED, ending_of(path)):
        name = name[: len(name) - len(ending)] if ending and name.lower().endswith(ending) else name
    return name or path.name


def part_name(path: Path) -> PartName:
    """Read the name of a file, without that of its format.

    >>> part_name(Path("shop_2019-Oct.csv.gz")).rest, part_name(Path("yoochoose-clicks.dat")).kind
    ('shop', 'click')
    """
    plain = unicodedata.normalize("NFKD", without_ending(path).lower())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = [word for run in re.findall(r"[^\W_]+", _UUID.sub("", plain)) for word in _words(run)]
    kind, without_kind = _kind(words)
    rest = [word for word in without_kind if not (word.isdecimal() or word in _MONTHS | _SPLITS or word in _PARTS)]
    years = [(int(word), "") for word in words if word.isdecimal() and int(word) in _YEARS]
    others = [_position(word) for word in without_kind if not (word.isdecimal() and int(word) in _YEARS)]
    strength = STRENGTHS.get(kind, 0)
    return PartName("_".join(rest), kind, (*years, *others, (_LAST if strength == NEGATIVE else strength, "")))


def are_parts(paths: Iterable[Path]) -> bool:
    """Whether files are parts of one log by their names: they differ in what tells parts from each other alone."""
    return len({part_name(path).rest for path in paths}) <= 1


def behaviors_of_names(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the behavior that each name says, where names say several or what was sent back; else none."""
    names = {path: part_name(path) for path in paths}
    kinds = {path: name.kind for path, name in names.items() if name.kind}
    taken_back = len(names) > 1 and any(name.takes_back for name in names.values())
    return kinds if taken_back or len(set(kinds.values())) > 1 else {}


def _words(run: str) -> list[str]:
    """Divide letters from digits; a run of many such pieces is a key, such as 3f2504e0, and says nothing."""
    pieces = [piece for piece in re.findall(r"\d+|\D+", run) if piece not in _UNITS or piece == run]
    return pieces if len(pieces) <= 2 else []


def _kind(words: list[str]) -> tuple[str, list[str]]:
    """Return the first behavior among the words, as cleaning knows it, and the other words."""
    lengths = range(min(_LONGEST_KIND, len(words)), 0, -1)
    runs = [(start, start + length) for length in lengths for start in range(len(words) - length + 1)]
    for start, end in runs:
        joined = "".join(words[start:end])
        singular = [joined.removesuffix(plural) for plural in _PLURALS if joined.endswith(plural)]
        if kind := next((word for word in singular if word in STRENGTHS), ""):
            return kind, words[:start] + words[end:]
    return "", words


def _position(word: str) -> tuple[int, str]:
    if word.isdecimal():
        return int(word), ""
    number = (_MONTHS | _SPLITS).get(word)
    return (0, word) if number is None else (number, "")
