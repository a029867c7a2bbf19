"""Write small logs as CSV, TSV or JSON lines and read them by ours and by Python's own ``csv`` and ``json``."""

from __future__ import annotations

import csv
import io
import json
import random
from pathlib import Path
from typing import Any

import polars as pl

from llmrec.data.readers.read import read_raw
from llmrec.errors import DataError

NAMES = ["user_id", "item_id", "title", "note", "timestamp"]
_PIECES = (
    '"',
    '""',
    "'",
    ",",
    "\t",
    ";",
    "|",
    "\n",
    "\r\n",
    "\\",
    '\\"',
    " ",
    "é",
    "ß",
    "a",
    "tin",
    "12",
    "#",
    "",
)
_ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16")


def check_against_stdlib(case: int, seed: int, folder: Path) -> str:
    """Write and read one log. Returns ``read`` or ``refused``; raises AssertionError where the rows differ."""
    rng = random.Random(f"stdlib:{seed}:{case}")
    rows = [_row(rng, number) for number in range(rng.randrange(1, 9))]
    kind = rng.choice(["csv", "csv", "tsv", "stray.tsv", "stray.csv", "jsonl"])
    encoding = "utf-8" if kind == "jsonl" else rng.choice(_ENCODINGS)
    path = folder / f"log.{kind}"
    options: dict[str, str] = {}
    if kind == "jsonl":
        text = _json_lines(rows, rng)
        expected = [json.loads(line) for line in text.splitlines() if line.strip()]
    elif kind.startswith("stray"):
        text, expected = _stray(rows, "\t" if kind.endswith("tsv") else ",")
    else:
        text, expected = _written(rows, rng, tab=kind == "tsv")
    path.write_bytes(text.encode(encoding, errors="replace"))
    if encoding in ("cp1252", "latin-1"):
        options["encoding"] = encoding
    try:
        table = read_raw(path, **options)  # type: ignore[arg-type]
    except DataError as error:
        assert "row " in str(error) or "line " in str(error), f"no row is named: {error}"
        return "refused"
    try:
        _compare(table, expected)
    except AssertionError:
        if kind != "stray.tsv" or table.height != len(expected):
            raise
        _compare(table, _as_quoted(text))  # a cell such as """" is right both with quotes and without
    return "read"


def _row(rng: random.Random, number: int) -> list[str]:
    title, note = ("".join(rng.choices(_PIECES, k=rng.randrange(5))) for _ in range(2))
    return [f"u{rng.randrange(3)}", f"i{rng.randrange(4)}", title, note, str(1_600_000_000 + number)]


def _written(rows: list[list[str]], rng: random.Random, *, tab: bool) -> tuple[str, list[dict[str, str]]]:
    """Write by Python's writer in a dialect of its own; what its reader gives back is right."""
    delimiter = "\t" if tab else rng.choice([",", ";", "|"])
    escaped = rng.random() < 0.25
    quoting: Any = (
        csv.QUOTE_ALL if escaped else rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    )
    dialect: dict[str, Any] = {
        "delimiter": delimiter,
        "doublequote": not escaped,
        "escapechar": "\\" if escaped else None,
    }
    file = io.StringIO(newline="")
    csv.writer(file, quoting=quoting, lineterminator=rng.choice(["\n", "\r\n"]), **dialect).writerows(
        [NAMES, *rows]
    )
    if '\\"' not in file.getvalue().replace("\\\\", ""):  # nothing shows that backslashes escape
        dialect["escapechar"] = None
    lines = csv.reader(io.StringIO(file.getvalue(), newline=""), **dialect)
    return file.getvalue(), [dict(zip(NAMES, row, strict=True)) for row in lines][1:]


def _stray(rows: list[list[str]], delimiter: str) -> tuple[str, list[dict[str, str]]]:
    """Write cells as they are, quotes with them: each line is one row."""
    blanked = "\t\r\n," + ("" if delimiter == "\t" else "\\")  # csv reads no backslash before a quote
    plain = [[cell.translate({ord(mark): " " for mark in blanked}) for cell in row] for row in rows]
    text = "".join(delimiter.join(row) + "\n" for row in [NAMES, *plain])
    quoting: Any = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
    return text, [dict(zip(NAMES, row, strict=False)) for row in lines][1:]


def _as_quoted(text: str) -> list[dict[str, str]]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    return [dict(zip(NAMES, row, strict=False)) for row in lines][1:]


def _json_lines(rows: list[list[str]], rng: random.Random) -> str:
    lines = [json.dumps(dict(zip(NAMES, row, strict=True)), ensure_ascii=rng.random() < 0.5) for row in rows]
    return "".join(line + rng.choice(["\n", "\n", "\r\n", "\n\n"]) for line in lines)


def _compare(table: pl.DataFrame, expected: list[dict[str, str]]) -> None:
    assert table.height == len(expected), f"{table.height} rows instead of {len(expected)}"
    for number, (ours, theirs) in enumerate(zip(table.to_dicts(), expected, strict=True), start=1):
        for name in NAMES:
            got, right = ours[name] or "", theirs[name]
            assert got == right, f"{name} of row {number} is {got!r} instead of {right!r}"
