"""The files of a prepared data set: written whole, read again, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from llmrec.data.builtin import BUILTIN
from llmrec.data.cleaning.positives import DEFAULT, PositiveTargets
from llmrec.data.cleaning.rating_scale import rating_scale
from llmrec.data.cleaning.table import Step
from llmrec.data.id_codes import EncodedIds
from llmrec.data.parquet import write_events
from llmrec.errors import DataError
from llmrec.resources.cache import appearing

# 1: without positive targets, which a version that reads only these would count all; 2: without ratings' scale.
FORMAT = 3
EVENTS, ITEMS, METADATA = "events.parquet", "items.parquet", "dataset.json"


class Prepared(NamedTuple):
    """What a folder holds, and the ``fingerprint`` that the tables had.

    ``positive``: None in a folder of an earlier version, which did not settle it.
    """

    events: pl.DataFrame
    items: pl.DataFrame
    name: str
    steps: tuple[Step, ...]
    order_only: bool
    positive: PositiveTargets | None
    fingerprint: str


def read_prepared(path: Path) -> Prepared:
    """Read a folder that ``Dataset.save`` wrote. Raises DataError unless all of it is there."""
    described = path / METADATA
    if not described.is_file():
        raise DataError(_not_prepared(path))
    try:
        metadata: dict[str, Any] = json.loads(described.read_text(encoding="utf-8"))
        if metadata["format"] > FORMAT:
            raise DataError(f"{path} has format {metadata['format']}, newer than {FORMAT}; upgrade llmrec")
        # Brackets in a folder's name are no pattern.
        events, items = (pl.read_parquet(path / name, glob=False) for name in (EVENTS, ITEMS))
        decided = _settled(metadata, events)
        steps = tuple(Step(**step) for step in metadata["steps"])
        fixed = metadata["order_only"], decided, metadata["fingerprint"]
        return Prepared(events, items, metadata["name"], steps, *fixed)
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path} is damaged ({reason}); prepare it again") from error


def write_prepared(
    path: Path,
    events: pl.DataFrame,
    items: pl.DataFrame,
    ids: tuple[EncodedIds, EncodedIds],
    metadata: Callable[[], dict[str, object]],
) -> None:
    """Write a folder that ``read_prepared`` reads, whole or not at all. Raises DataError if it exists."""
    if path.exists():
        raise DataError(f"{path} exists already; choose another --out or remove it")
    with appearing(path) as temporary, ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(metadata)  # hashes the tables meanwhile
        write_events(events, ids, temporary / EVENTS)
        items.write_parquet(temporary / ITEMS)
        text = json.dumps(waiting.result(), indent=2, ensure_ascii=False) + "\n"
        (temporary / METADATA).write_text(text, encoding="utf-8")


def _settled(metadata: Mapping[str, Any], events: pl.DataFrame) -> PositiveTargets | None:
    if metadata["format"] == 1:
        return None
    settled = metadata["positive"]
    scale = rating_scale(events, by_default=settled["rule"] == DEFAULT)
    return PositiveTargets(**{"ratings": scale, **settled})


def _not_prepared(path: Path) -> str:
    names = ", ".join(BUILTIN)
    if not path.exists():
        return (
            f"there is no folder {path} and no built-in data set of this name; the built-in ones are: {names}; "
            "prepare others with: llmrec data prepare EVENTS --out DIR"
        )
    built_in = "" if str(path) not in BUILTIN else f"; the built-in {path} is read where there is no such folder"
    return f"{path} is not a prepared data set; make one with: llmrec data prepare EVENTS --out DIR{built_in}"
