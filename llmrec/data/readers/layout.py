"""Tell how delimited text is laid out: what comes first, the delimiter, the names of the columns."""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmrec.data.ids import BLANKS
from llmrec.data.protected_text import bare_names
from llmrec.data.readers import orange
from llmrec.data.readers.part_names import ending_of
from llmrec.data.readers.text_files import TextFile, encoding_error
from llmrec.errors import DataError

log = logging.getLogger(__name__)

_DELIMITERS = ",\t;|"
NAMED_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " ", "pipe": "|"}
# One byte that is in no text stands for a delimiter of several.
STAND_IN = "\x1f"
# No column is called so: numbers, dates, UUIDs and other long keys.
_CELL = re.compile(
    r"-?\d+([.]\d+)?|\d{4}-\d{2}-\d{2}([T ].*)?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{24,}", re.I
)
_QUOTED = re.compile(r'"[^"]*"')
_SAMPLED = 20
_MOST_SHOWN = 8


@dataclass(frozen=True)
class Layout:
    """Where the rows of a file begin and what its columns are called; "" is a column without a name.

    ``skipped``: physical lines before the first row, ``offset``: bytes before it. ``first``: the line with the
    names, or the first row where ``header`` is False. ``commented``: whether comment lines stand before it.
    ``widened``: whether rows end in a delimiter where the header does not.
    """

    delimiter: str
    names: list[str]
    skipped: int
    offset: int
    first: str
    header: bool = True
    commented: bool = False
    widened: bool = False


def layout_of(
    file: TextFile, *, header: Sequence[str] = (), delimiter: str = "", option: str = "--header"
) -> Layout:
    """Read the first lines. ``header``: names of the columns where the first line is data already.

    A first line ``sep=;`` names the delimiter, lines that begin with # are comments. Raises DataError for an empty
    file and where the first line does not fit ``header``.
    """
    name = file.path.name
    lines = list(_lines(file))
    at, commented = 0, False
    if lines and lines[0].text.lower().startswith("sep=") and len(lines[0].text.rstrip()) <= 5:
        delimiter = delimiter or lines[0].text[4:5] or "\t"
        log.info("%s: its first line names the delimiter %r", name, delimiter)
        at = 1
    while at < len(lines) and lines[at].text.startswith("#"):
        at, commented = at + 1, True
    if at == len(lines):
        raise DataError(f"{file.path} is empty; export it again with its data")
    if lines[at].text.startswith("version https://git-lfs"):
        raise DataError(f"{file.path} is a Git LFS pointer, not the file itself; fetch it with: git lfs pull")
    delimiter = _delimiter(delimiter, [line.text for line in lines[at : at + _SAMPLED]])
    line = lines[at]
    names = bare_names(cells_of(line.text, delimiter))
    if commented:
        log.info("%s: %d comment lines before its first row are left out", name, at)
        above = cells_of(lines[at - 1].text.lstrip("# "), delimiter)
        if not header and looks_like_data(names) and len(above) == len(names) > 1 and not looks_like_data(above):
            log.info("%s: its columns are named by the comment above the first row", name)
            header = above
    if header:
        _check_is_data(name, names, header, option)
        names = [given.strip() for given in header]
        return Layout(delimiter, names, line.number - 1, line.start, line.text, False, commented)
    if looks_like_data(names) and (len(set(names)) < len(names) or "" in names[1:-1]):
        raise DataError(f"{name}: {no_header(names, option)}")
    _refuse_title(name, names, lines[at + 1 : at + _SAMPLED], delimiter)
    last = _last_of_header(file.path, lines[at : at + 3], delimiter)
    widened = at + 1 < len(lines) and _one_more(lines[at + 1].text, names, delimiter)
    names = [*names, ""] if widened else names
    return Layout(delimiter, names, last.number, last.end, line.text, True, commented, widened)


def _last_of_header(path: Path, lines: Sequence[_Line], delimiter: str) -> _Line:
    """Return the last line before the rows: that of the names, or of what Orange writes below them."""
    if ending_of(path) != orange.ENDING or len(lines) < 3:
        return lines[0]
    types, roles = (cells_of(line.text, delimiter) for line in lines[1:])
    if not orange.are_types_and_roles(types, roles):
        return lines[0]
    log.info("%s: Orange's types and roles of columns, below their names, are left out", path.name)
    return lines[2]


def cells_of(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line, without blanks around them; quotes enclose cells where they can."""
    try:
        cells = next(csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True), [])
    except csv.Error:
        cells = line.split(delimiter)
    return [cell.strip(BLANKS) for cell in cells]


def looks_like_data(names: Iterable[str]) -> bool:
    """Whether column names are rather cells of a first row: a number, a date, a key, a list or an address."""
    return any(_CELL.fullmatch(name) or name.startswith(("[", "http://", "https://")) for name in names)


def no_header(names: Iterable[str], option: str = "--header") -> str:
    """Return what is wrong with a first line that names no columns, and the option that names them."""
    cells = list(names)
    example = ",".join(["NAME"] * len(cells)) if len(cells) < _MOST_SHOWN else "NAME,NAME,..."
    ours = "user_id, item_id and timestamp" if option == "--header" else "item_id and title"
    return (
        f"its first line looks like data, not like names of columns: {', '.join(cells)}; name all {len(cells)} "
        f"with {option} {example} ({option[2:].replace('-', '_')}=[...]): {ours} where they are, else anything"
    )


@dataclass(frozen=True)
class _Line:
    number: int
    start: int
    end: int
    text: str


def _lines(file: TextFile) -> Iterable[_Line]:
    """Return the first lines that are not blank."""
    head = file.head()
    end = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    for number, line in enumerate(head[end:].splitlines(keepends=True), start=1):
        start, end = end, end + len(line)
        if not line.strip():
            continue
        try:
            yield _Line(number, start, end, line.decode().rstrip("\r\n"))
        except UnicodeDecodeError:
            if end < len(head) or number == 1:
                raise encoding_error(file.path, number, line) from None


def _delimiter(given: str, lines: Sequence[str]) -> str:
    """Return the delimiter: as named, else the one that gives the first lines the same number of cells."""
    if given:
        delimiter = NAMED_DELIMITERS.get(given.lower(), given)
        if len(delimiter) > 1:
            return STAND_IN
        if delimiter.isalnum() or delimiter in '"\r\n' or not delimiter.isascii():
            raise DataError(f"--delimiter {given}: cells cannot stand between these; write for example ; or tab")
        return delimiter
    plain = [_QUOTED.sub("", line) for line in lines]
    equal = [mark for mark in _DELIMITERS if len({line.count(mark) for line in plain}) == 1]
    candidates = [mark for mark in equal if mark in plain[0]] or list(_DELIMITERS)
    return max(candidates, key=plain[0].count)


def _refuse_title(name: str, names: Sequence[str], lines: Sequence[_Line], delimiter: str) -> None:
    """Raise DataError where the first line is a title: one cell alone, and a line below it names columns."""
    if len(names) < 2 or not names[0] or any(names[1:]):
        return
    below = ((line.number, [cell for cell in cells_of(line.text, delimiter) if cell]) for line in lines)
    number, cells = next(((number, cells) for number, cells in below if len(cells) > 1), (0, [""]))
    if number and not looks_like_data(cells):
        raise DataError(
            f"{name}: its first line is no header: '{names[0]}' stands alone on it, and line {number} names "
            f"columns: {', '.join(cells[:_MOST_SHOWN])}; remove the lines above line {number}"
        )


def _one_more(line: str, names: list[str], delimiter: str) -> bool:
    """Whether rows end in a delimiter and the header does not."""
    return line.endswith(delimiter) and len(cells_of(line, delimiter)) == len(names) + 1


def _check_is_data(name: str, cells: list[str], header: Sequence[str], option: str) -> None:
    if len(cells) != len(header):
        divided = ", or say what divides cells: --delimiter space" if len(cells) == 1 else ""
        raise DataError(
            f"{name}: {option} names {len(header)} columns, the first line has {len(cells)} cells: "
            f"{', '.join(cells)}; name each of them{divided}"
        )
    named = {cell.lower() for cell in cells} & {given.strip().lower() for given in header}
    if named - {""}:
        raise DataError(f"{name}: its first line names columns already, '{named.pop()}'; leave out {option}")
