"""Metrics and readers of installed packages: by their entry points alone, and what is said of broken ones."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from llmrec import metrics
from llmrec.data import Dataset
from llmrec.errors import DataError, RegistryError
from llmrec.metrics import per_user, register_package_metrics

CODE = """
import numpy as np
import polars as pl

NOTHING = None

def __getattr__(name):
    if name == "QUITS":
        raise SystemExit(0)
    raise AttributeError(name)

def first_hit(hits):
    return hits.at[:, 0].astype(np.float64)

def raises(hits):
    raise ValueError("of no use")

def quits(hits):
    raise SystemExit(0)

def shapeless(hits):
    return 0.5

def read_triples(path):
    cells = [line.split(">") for line in path.read_text(encoding="utf-8").splitlines()]
    return pl.DataFrame(cells, schema=["customer", "sku", "ts"], orient="row")
"""
RECS = pl.DataFrame({"user_id": ["a"], "item_id": ["1"], "rank": [1]})


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test installs is unknown to the next."""
    registered = dict(metrics._METRICS)
    yield
    sys.modules.pop("shelf", None)
    metrics._METRICS.clear()
    metrics._METRICS.update(registered)


def install(site: Path, points: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay out an installed package: a module and its entry points."""
    info = site / "shelf-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "shelf.py").write_text(CODE, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shelf\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(points, encoding="utf-8")
    monkeypatch.syspath_prepend(site)


def test_a_metric_of_a_package_is_a_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "[llmrec.metrics]\nfirst_hit = shelf:first_hit\n", monkeypatch)
    register_package_metrics()
    register_package_metrics()  # again the same: nothing changes
    assert per_user(RECS, RECS.drop("rank"), users=["a"])["first_hit@10"].to_list() == [1.0]


def test_extras_may_follow_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "[llmrec.metrics]\nfirst_hit = shelf:first_hit [fast]\n", monkeypatch)
    register_package_metrics(["first_hit"])
    assert "first_hit" in metrics.METRICS


BROKEN = {
    "first_hit = shelf:QUITS": "metric 'first_hit' of shelf cannot be imported from shelf:QUITS (SystemExit: 0)",
    "first_hit = shelf:no_such": "metric 'first_hit' of shelf cannot be imported from shelf:no_such",
    "first_hit = shelf:NOTHING": "shelf:NOTHING, registered by shelf as metric 'first_hit', is no function",
    "first_hit = shelf:raises": "metric 'first_hit' of shelf failed (ValueError: of no use); correct shelf.raises",
    "first_hit = shelf:quits": "metric 'first_hit' of shelf failed (SystemExit: 0)",
    "first_hit = shelf:shapeless": "metric 'first_hit' of shelf returned an array of shape () for 2 users",
    "hit-rate = shelf:first_hit": "metric 'hit-rate' of shelf: a name is one word of letters, digits and _",
    "ndcg = shelf:first_hit": "metric 'ndcg' is llmrec.metrics.ndcg already; choose another name for shelf",
}


@pytest.mark.parametrize("point", BROKEN)
def test_a_broken_metric_is_left_out_unless_it_is_wanted(
    point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, f"[llmrec.metrics]\n{point}\n", monkeypatch)
    with caplog.at_level(logging.WARNING):
        register_package_metrics()
    assert BROKEN[point] in caplog.messages[0]
    assert "first_hit" not in metrics.METRICS
    with pytest.raises((RegistryError, DataError), match=re.escape(BROKEN[point])):
        register_package_metrics([point.split()[0]])


def test_a_format_of_a_package_is_read_by_its_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "data" / "log.triples"
    log.parent.mkdir()
    log.write_text("ann>alien>1700000000\nann>brazil>1700000060\n", encoding="utf-8")
    with pytest.raises(DataError, match="cannot tell the format from its name"):
        Dataset.from_files(log)
    install(tmp_path / "site", "[llmrec.readers]\ntriples = shelf:read_triples\n", monkeypatch)
    for path in (log, log.parent):
        assert Dataset.from_files(path, time_format="seconds").events["item_id"].to_list() == ["alien", "brazil"]
    with pytest.raises(DataError, match=r"known endings: .*\.triples"):
        Dataset.from_files(tmp_path / "site" / "shelf.py")


def test_a_broken_reader_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log.triples").write_text("ann>alien>1\n", encoding="utf-8")
    install(tmp_path / "site", "[llmrec.readers]\ntriples = nowhere_at_all:read\n", monkeypatch)
    message = "the reader of .triples files of shelf cannot be imported from nowhere_at_all:read"
    with pytest.raises(RegistryError, match=message):
        Dataset.from_files(tmp_path / "log.triples")
