"""Take people's events out of a saved split."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from llmrec.data.splits.split import PARTS, SPLIT_FILE


def without_events(source: Path, target: Path, stay: pl.Series) -> bool:
    """Write a saved split without the events that do not ``stay`` [n_events], in the order of the data.

    It fits the data without them. Nothing is written, and False returned, where it has other events.
    """
    parts = pl.read_parquet(source / PARTS, glob=False)
    if parts.height != len(stay):
        return False
    target.mkdir()
    parts.filter(stay).write_parquet(target / PARTS)
    metadata = json.loads((source / SPLIT_FILE).read_text(encoding="utf-8"))
    # The hash is of the data with them: nothing but the number of events can be compared from now on.
    metadata |= {"events": int(stay.sum()), "forgotten": True}
    (target / SPLIT_FILE).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")
    return True
