"""Whatever a log holds, it is refused, or its rows are the events that are left and those that steps removed."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from support.properties import searched

from llmrec.cli.app import run
from llmrec.data import Dataset
from llmrec.errors import DataError

NAMES = ("user_id", "item_id", "timestamp", "behavior", "price", "title")
CELLS = {
    "user_id": st.sampled_from(["u1", "u2", "007", "NA", "null", "", " ", '"q"', "a,b", "é"]),
    "item_id": st.sampled_from(["a", "b", "c d", "\\N", "nan", "", "1.5"]),
    "timestamp": st.sampled_from(["1600000000", "1600000000", "1600000000.25", "2021-03-05", "soon", ""]),
    "behavior": st.sampled_from(["view", "buy", "return", ""]),
    "price": st.sampled_from(["1.5", "-3", "", "inf", "dear"]),
    "title": st.sampled_from(["A", 'The "B"', "C, D", '12" C', "x\ty", "two\nlines", "", "NA"]),
}
ROWS = st.lists(st.fixed_dictionaries(CELLS), min_size=1, max_size=12)
# With these, most logs are read.
LENIENT = ["--drop-bad-times", "--drop-items-without-text", "--drop-unknown-items", "--drop-further-item-rows"]
FLAGS = [
    "--drop-repeats",
    "--drop-impossible",
    "--keep-missing-words",
    "--blank-bad-numbers",
    "--keep-unseen-items",
]
OPTIONS = st.sets(st.sampled_from(FLAGS))
FORMS = ("csv", "tsv", "semicolon.csv", "jsonl", "array.json", "parquet")
REMOVED = re.compile(r": ([\d,]+) of ([\d,]+) (events|items) removed")


def written(rows: list[dict[str, str]], names: tuple[str, ...], path: Path) -> Path:
    """Write rows in the form that the name says."""
    cells = [{name: row[name] for name in names} for row in rows]
    if path.suffix == ".parquet":
        pl.DataFrame(cells).write_parquet(path)
    elif path.name.endswith("array.json"):
        path.write_text(json.dumps(cells), encoding="utf-8")
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in cells), encoding="utf-8")
    else:
        mark = {"tsv": "\t", "csv": ";" if "semicolon" in path.name else ","}[path.suffix[1:]]
        text = io.StringIO()
        writer = csv.DictWriter(text, names, delimiter=mark, lineterminator="\n")
        writer.writeheader()
        writer.writerows(cells)
        path.write_text(text.getvalue(), encoding="utf-8")
    return path


def left(data: Dataset, table: str, n_rows: int) -> int:
    """Follow the steps of a table from the rows of its file."""
    for step in data.steps:
        if step.table == table:
            assert step.rows_in == n_rows, f"{step.name} saw {step.rows_in} rows, {n_rows} were left"
            n_rows += step.added - step.removed
    return n_rows


@searched(15)
@pytest.mark.parametrize("form", FORMS)
def test_rows_are_events_or_removed(form: str, examples: int) -> None:
    phases, slow = [Phase.generate], [HealthCheck.too_slow]

    @settings(max_examples=examples, deadline=None, phases=phases, suppress_health_check=slow)
    @given(rows=ROWS, items=st.none() | ROWS, options=OPTIONS)
    def check(rows: list[dict[str, str]], items: list[dict[str, str]] | None, options: set[str]) -> None:
        check_rows(form, rows, items, options)

    check()


def check_rows(
    form: str, rows: list[dict[str, str]], items: list[dict[str, str]] | None, options: set[str]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        names = NAMES[:5] if items else NAMES
        arguments = [
            str(written(rows, names, folder / f"log.{form}")),
            "--out",
            str(folder / "out"),
            *LENIENT,
            *options,
        ]
        if items:
            catalog = written(items, ("item_id", "title", "price"), folder / f"items.{form}")
            arguments += ["--items", str(catalog)]
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = run(["data", "prepare", *arguments])
        assert code in (0, 2), errors.getvalue()
        if code == 2:
            assert not (folder / "out").exists()
            return
        data = Dataset.load(folder / "out")
    counted = {"events": len(rows), "items": len(items or ())}
    for count, of, table in REMOVED.findall(output.getvalue()):
        if table == "items" and not items:  # of a catalog taken from the log: its rows are no file's
            continue
        assert int(of) == counted[table]
        counted[table] -= int(count)
    assert counted["events"] == left(data, "events", len(rows)) == data.events.height
    if items:
        assert counted["items"] == left(data, "items", len(items)) == len(data.catalog)


@settings(max_examples=60, deadline=None)
@given(lists=st.lists(st.lists(st.sampled_from("abc"), max_size=4), min_size=1, max_size=6))
def test_items_of_lists_are_events(lists: list[list[str]]) -> None:
    rows = [{"user_id": f"u{n}", "item_id": items} for n, items in enumerate(lists)]
    try:
        data = Dataset.from_tables(
            pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.List(pl.String)})
        )
    except DataError:
        assert not any(lists)
        return
    assert data.events["item_id"].to_list() == [item for items in lists for item in items]
    n_lists, n_events = sum(map(bool, lists)), sum(map(len, lists))
    assert left(data, "events", len(lists)) == data.events.height == n_events
    notes = [step.note for step in data.steps if step.name == "lists of items"]
    assert notes == [f"{n_lists} lists of column item_id are {n_events} events, in the order of each list"]
