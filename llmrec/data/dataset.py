"""A cleaned event log and its catalog: what every split, model and report starts from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from llmrec.data import sources
from llmrec.data.catalog import Catalog
from llmrec.data.cleaning import Step, clean
from llmrec.data.columns import ITEM, USER
from llmrec.data.histories import Histories
from llmrec.data.tables import to_polars
from llmrec.errors import DataError
from llmrec.resources.cache import appearing

# A log where the same user meets the same item again this often is one where that is normal (a shop).
REPEATS_ARE_NORMAL = 0.01


@dataclass(frozen=True, eq=False)
class Dataset:
    """Events (``user_id, item_id, timestamp, ...``), sorted by user and time, and the items' catalog.

    Every event's item is in the catalog. ``steps`` says what each cleaning step removed. With
    ``order_only`` the timestamps are each user's order 0, 1, 2, ... and mean no time.
    """

    events: pl.DataFrame
    catalog: Catalog
    name: str = "data"
    steps: tuple[Step, ...] = ()
    order_only: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_csv(cls, events: str | Path, *, items: str | Path | None = None, **options: Any) -> Dataset:
        """Read an event file and an item file (see ``from_files``: any supported format is recognised)."""
        return cls.from_files(events, items=items, **options)

    @classmethod
    def from_files(
        cls, events: str | Path, *, items: str | Path | None = None, name: str | None = None, **options: Any
    ) -> Dataset:
        """Read files: CSV or TSV (also .gz, .zst), Parquet, or RecBole atomic files.

        ``options`` are those of ``from_tables``. Raises DataError naming file, line or column.
        """
        table = sources.read_events(Path(events))
        catalog = sources.read_items(Path(items)) if items is not None else None
        return cls.from_tables(table, items=catalog, name=name or sources.stem(Path(events)), **options)

    @classmethod
    def from_tables(
        cls, events: object, *, items: object | None = None, name: str = "data", **options: Any
    ) -> Dataset:
        """Check and clean two tables of any frame library. ``options`` are those of ``cleaning.clean``.

        Raises DataError for a missing column, an unreadable time, or items without text.
        """
        log = to_polars(events, name="events")
        texts = None if items is None else to_polars(items, name="items")
        cleaned = clean(log, texts, **options)
        return cls(cleaned.events, Catalog(cleaned.items), name, cleaned.steps, order_only=cleaned.order_only)

    @classmethod
    def load(cls, folder: str | Path) -> Dataset:
        """Read what ``save`` wrote. Raises DataError if the folder is not a prepared data set."""
        path = Path(folder)
        described = path / "dataset.json"
        if not described.is_file():
            raise DataError(f"{path} is not a prepared data set; make one with: llmrec data prepare EVENTS")
        facts = json.loads(described.read_text(encoding="utf-8"))
        events, items = pl.read_parquet(path / "events.parquet"), pl.read_parquet(path / "items.parquet")
        steps = tuple(Step(**step) for step in facts["steps"])
        data = cls(events, Catalog(items), facts["name"], steps, order_only=facts["order_only"])
        if data.fingerprint != facts["fingerprint"]:
            raise DataError(f"{path}: its tables changed since they were prepared; prepare them again")
        return data

    def save(self, folder: str | Path) -> None:
        """Write ``events.parquet``, ``items.parquet`` and ``dataset.json``. Raises DataError if it exists."""
        path = Path(folder)
        if path.exists():
            raise DataError(f"{path} exists already; choose another --out or remove it")
        facts = {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "order_only": self.order_only,
            "users": self.n_users,
            "items": len(self.catalog),
            "events": self.events.height,
            "steps": [vars(step) for step in self.steps],
        }
        with appearing(path) as temporary:
            self.events.write_parquet(temporary / "events.parquet")
            self.catalog.table.write_parquet(temporary / "items.parquet")
            text = json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
            (temporary / "dataset.json").write_text(text, encoding="utf-8")

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over both tables' contents, column by column: the same data gives the same value."""
        digest = hashlib.sha256()
        for table in (self.events, self.catalog.table):
            for column in table.get_columns():
                digest.update(f"{column.name}:{column.dtype}:{column.len()};".encode())
                hashes = column.hash(seed=0) if column.dtype != pl.Null else pl.Series([0])
                digest.update(hashes.to_numpy().tobytes())
        return digest.hexdigest()

    @cached_property
    def n_users(self) -> int:
        """Number of users with at least one event."""
        return self.events[USER].n_unique()

    @cached_property
    def histories(self) -> Histories:
        """Every user's events, oldest first."""
        return Histories.from_events(self.events)

    @cached_property
    def repeats_are_normal(self) -> bool:
        """Whether users come back to the same item often enough that seen items may be recommended."""
        distinct = self.events.select(USER, ITEM).unique().height
        return 1 - distinct / self.events.height > REPEATS_ARE_NORMAL if self.events.height else False

    def with_events(self, events: pl.DataFrame) -> Dataset:
        """Return the same data set with other events (a part of them, say)."""
        return replace(self, events=events)

    def __repr__(self) -> str:
        counts = f"{self.events.height:,} events, {self.n_users:,} users, {len(self.catalog):,} items"
        return f"Dataset({self.name}: {counts}{', order only' if self.order_only else ''})"
