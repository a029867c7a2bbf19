"""A file format of your own: a function from a path to a table of raw columns, chosen by the file's ending."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

import llmrec
from llmrec.data import register_reader


def read_triples(path: Path) -> pl.DataFrame:
    """Read lines such as ``ann>alien@1700000000``. Names, ids, times and cleaning are as for every format."""
    cells = [re.split("[>@]", line) for line in path.read_text(encoding="utf-8").splitlines()]
    return pl.DataFrame(cells, schema=["customer", "sku", "ts"], orient="row")


def main() -> None:
    """Write such a file, and read it."""
    register_reader(".triples", read_triples)
    path = Path("runs/examples/log.triples")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("ann>alien@1700000000\nann>brazil@1700000060\nben>alien@1700000030\n", encoding="utf-8")
    print(llmrec.Dataset.from_files(path, time_format="seconds").events)


if __name__ == "__main__":
    main()
