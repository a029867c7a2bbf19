"""What a person types in the first hour, from beginning to end: scripts in ``commands``, each run in a shell.

Logs are small; JOURNEY_PEOPLE=3000 makes them as large as a shop's. Away from the repository it is
``tests/test_wheel.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from support.pages import ROOT
from support.tiny_base import build_tiny_base

from llmrec.data import toy_films

pytestmark = pytest.mark.slow  # every command is a process

COMMANDS = Path(__file__).parent / "commands"
PEOPLE = int(os.environ.get("JOURNEY_PEOPLE", "150"))
# Writes down who wants to leave this machine, and lets nobody.
NO_NETWORK = """
import socket
connect = socket.socket.connect
def refused(*words, **options):
    open({seen!r}, "a").write(f"{{words[:2]}}\\n")
    raise OSError("there is no network")
def local(self, address):
    return connect(self, address) if self.family == socket.AF_UNIX else refused(address)
socket.socket.connect = local
socket.getaddrinfo = refused
"""


def write_log(folder: Path, people: int = PEOPLE) -> None:
    """Write a raw log and its catalog as CSV files."""
    toy = toy_films(n_items=30, n_users=people)
    toy.events.sample(fraction=1, shuffle=True, seed=0).write_csv(folder / "events.csv")
    toy.catalog.table.write_csv(folder / "items.csv")


def travel(name: str, folder: Path, *, beside: Path | None = None, **environment: str) -> str:
    """Run a journey's commands in a folder; packages lie ``beside`` llmrec. Returns what they printed."""
    tools = folder.parent / f"{folder.name}-bin"
    tools.mkdir()
    for tool, words in {"llmrec": " -m llmrec", "python": ""}.items():
        (tools / tool).write_text(f'#!/bin/sh\nexec "{sys.executable}"{words} "$@"\n', encoding="utf-8")
        (tools / tool).chmod(0o755)
    paths = [str(beside)] if beside else []
    done = subprocess.run(
        ["sh", "-eu", str(COMMANDS / f"{name}.sh")],
        cwd=folder,
        env=os.environ
        | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join([*paths, str(ROOT)])}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    return done.stdout


def test_every_journey_is_travelled() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    names = [script.stem for script in COMMANDS.glob("*.sh")]
    assert len(names) > 2
    assert [name for name in names if f'travel("{name}"' not in here] == []


def test_from_a_raw_file_to_everybody_s_recommendations(tmp_path: Path) -> None:
    write_log(tmp_path)
    printed = travel("raw_file", tmp_path)
    assert "next: llmrec recommend runs/rules --all --out runs/rules.parquet" in printed
    assert (tmp_path / "report/report.html").is_file()
    recs = pl.read_parquet(tmp_path / "recs.parquet")
    assert recs.columns == ["user_id", "rank", "item_id", "title", "score"]
    lists = recs.group_by("user_id").agg("rank")["rank"].to_list()
    assert len(lists) == PEOPLE
    assert all(ranks == [1, 2, 3, 4, 5] for ranks in lists)
    titles = pl.read_csv(tmp_path / "items.csv", infer_schema=False).rename({"title": "expected"})
    assert recs.join(titles, on="item_id").filter(pl.col("title") == pl.col("expected")).height == recs.height
    beside = {path.name for path in tmp_path.iterdir()}
    assert beside == {"events.csv", "items.csv", "data", "runs", "report", "recs.parquet"}


# The first cell of the notebook makes its tables; a person reads theirs.
OWN_TABLES = """
import llmrec
import pandas as pd

events, items = pd.read_csv("events.csv"), pd.read_csv("items.csv")
"""


def with_value_shown(cell: str) -> str:
    """Return a cell's code with its last expression printed, as a notebook shows it."""
    *lines, last = cell.splitlines()
    return "\n".join([*lines, last if last.startswith(" ") else f"print({last})"])


def test_from_pandas_to_a_report_in_eight_cells(tmp_path: Path) -> None:
    write_log(tmp_path)
    notebook = json.loads((ROOT / "examples/log_to_report.ipynb").read_text(encoding="utf-8"))
    first, *cells = ("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    assert len(cells) < 8
    assert "toy_films" in first
    (tmp_path / "cells.py").write_text("\n".join([OWN_TABLES, *map(with_value_shown, cells)]), encoding="utf-8")
    printed = travel("pandas", tmp_path)
    assert f"shop: {PEOPLE * 8:,} events, {PEOPLE:,} users" in printed
    (rules,) = [line for line in printed.splitlines() if " rules " in line]
    (popularity,) = [line for line in printed.splitlines() if " popularity " in line]
    assert float(rules.split()[2]) > float(popularity.split()[2])
    assert (tmp_path / "runs/notebook/report/report.html").is_file()


# As the metadata of an installed package has it.
ENTRY_POINTS = """[llmrec.recommenders]
next-item = my_package.recommender:NextItem
[llmrec.metrics]
top_three = my_package.metric:top_three
[llmrec.readers]
triples = my_package.reader:read_triples
"""


def test_a_recommender_a_metric_and_a_format_of_another_package(tmp_path: Path) -> None:
    """They are those of examples/extend, moved to a package that is installed by its metadata."""
    site, folder = tmp_path / "site", tmp_path / "folder"
    shutil.copytree(ROOT / "examples/extend", site / "my_package")
    info = site / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    folder.mkdir()
    events = toy_films(n_items=12, n_users=30).events.with_columns(pl.col("user_id").replace({"1": "ann"}))
    rows = [f"{user}>{item}@{time}" for user, item, time in events.iter_rows()]
    (folder / "log.triples").write_text("\n".join(rows), encoding="utf-8")
    (folder / "next-item.yaml").write_text("name: mine\nmodel: next-item\n", encoding="utf-8")
    assert "run: next-item trained on" in travel("own_package", folder, beside=site)
    last = events.filter(user_id="ann")["item_id"][-1]
    (first, *_) = json.loads((folder / "recs.json").read_text(encoding="utf-8"))
    assert first["item_id"] == str((int(last) + 1) % 12)
    (result,) = json.loads((folder / "report/report.json").read_text(encoding="utf-8"))["results"]
    assert result["metrics"]["top_three@10"]["mean"] == 1.0


def test_nothing_is_fetched_where_there_is_no_network(tmp_path: Path) -> None:
    site, folder, seen = tmp_path / "site", tmp_path / "folder", tmp_path / "seen.txt"
    site.mkdir()
    folder.mkdir()
    (site / "sitecustomize.py").write_text(NO_NETWORK.format(seen=str(seen)), encoding="utf-8")
    write_log(folder, min(PEOPLE, 40))
    build_tiny_base(folder / "base")
    travel("offline", folder, beside=site, LLMREC_CACHE=str(tmp_path / "cache"))
    paths = {"PYTHONPATH": str(site)}
    assert not seen.exists(), seen.read_text(encoding="utf-8")
    rows = {
        name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("items", "similar", "reasons")
    }
    assert rows["items"][0]["item_id"] == "3"
    assert [row["rank"] for row in rows["similar"]] == [1, 2, 3]
    assert all(row["reason"] for row in rows["reasons"])
    control = "import socket; socket.create_connection(('192.0.2.1', 80))"
    done = subprocess.run(
        [sys.executable, "-c", control], env=os.environ | paths, capture_output=True, check=False
    )
    assert done.returncode != 0
    assert "192.0.2.1" in seen.read_text(encoding="utf-8")
