"""A cleaned event log and its catalog: what every split, model and report starts from."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Unpack, cast

import polars as pl

from llmrec.data.builtin import BUILTIN, builtin
from llmrec.data.catalog import Catalog
from llmrec.data.cleaning.conditions import Condition
from llmrec.data.cleaning.pipeline import CleaningOptions, check_options, clean, named_columns
from llmrec.data.cleaning.positives import ALL_BY_DEFAULT, DEFAULT, PositiveTargets, positives_of, settle_positives
from llmrec.data.cleaning.table import RawLog, Step, Table
from llmrec.data.columns import ITEM, POSITIVE, USER
from llmrec.data.fingerprint import hash_tables
from llmrec.data.histories import Histories
from llmrec.data.id_codes import EncodedIds, encode_ids
from llmrec.data.notebook import ShownAsTable
from llmrec.data.prepared import FORMAT, read_prepared, write_prepared
from llmrec.data.readers import read
from llmrec.data.readers.catalog_names import NamedCatalog
from llmrec.data.readers.column_names import NONE, Columns, check_columns, name_log
from llmrec.data.readers.frames import to_polars, with_dotted_fields
from llmrec.data.readers.item_lists import explode_items
from llmrec.data.readers.options import FileOptions
from llmrec.data.readers.part_names import stem
from llmrec.data.readers.relations import with_relations
from llmrec.data.readers.sql import read_query
from llmrec.errors import DataError
from llmrec.resources.wheels import unpack_wheel

log = logging.getLogger(__name__)

_FILE_OPTIONS = FileOptions.__annotations__

# Above this share of repeated pairs of user and item, repeats are normal (as in a shop).
REPEATS_ARE_NORMAL = 0.01


class FileAndCleaningOptions(CleaningOptions, FileOptions):
    """How files are written, and how their events are cleaned."""


@dataclass(frozen=True, eq=False)
class Dataset(ShownAsTable):
    """Events (``user_id, item_id, timestamp, ...``), sorted by user and time, and the items' catalog.

    Every event's item is in the catalog. ``steps`` says what each cleaning step removed. With
    ``order_only`` the timestamps are each user's order 0, 1, 2, ... and mean no time. ``positive`` says which
    events are positive targets; where some are none, the column ``positive_target`` marks them.

    >>> Dataset.from_tables({"user_id": ["ann", "ann"], "item_id": ["a", "b"]}, name="shop")
    Dataset(shop: 2 events, 1 users, 2 items, order only)
    """

    events: pl.DataFrame
    catalog: Catalog
    name: str = "data"
    steps: tuple[Step, ...] = ()
    order_only: bool = False
    positive: PositiveTargets = ALL_BY_DEFAULT
    _encoded: tuple[EncodedIds, EncodedIds] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.catalog, Catalog) or not isinstance(self.events, pl.DataFrame):
            raise DataError("Dataset(...) is of cleaned tables; write Dataset.from_tables(events, items=items)")

    @classmethod
    def from_files(
        cls,
        events: str | Path,
        *,
        items: str | Path | None = None,
        name: str | None = None,
        columns: Columns = NONE,
        relations: str | Path | None = None,
        **options: Unpack[FileAndCleaningOptions],
    ) -> Dataset:
        """Read files or a folder that holds them.

        Formats: CSV and TSV, JSON lines (Amazon Reviews too), Parquet files and folders, MovieLens (``u.data``,
        ``.dat``), RecBole atomic files, folders saved by Hugging Face ``datasets``, and what ``register_reader``
        adds; .gz and .zst as well.
        ``columns`` names columns that are not recognised, ours to theirs: ``{"user_id": "customer"}``; the others
        are mapped by well-known names, which is logged. Without ``items`` the catalog is taken from the folder, or
        from the log itself. ``relations``: a file of triples, see ``readers.relations``. ``options`` are those of
        ``cleaning.clean`` and ``readers.options``. Raises DataError naming file, line or column.
        """
        check_options(options, FileAndCleaningOptions)
        path = Path(events)
        given = dict(options).items()
        reading = cast("FileOptions", {option: value for option, value in given if option in _FILE_OPTIONS})
        cleaning = cast("CleaningOptions", {option: value for option, value in given if option not in reading})
        explode = reading.get("explode", "")
        files = read.find_files(path, items=items, files=reading.get("files", "auto"))
        texts = read.read_catalog(files, **reading)

        def read_log() -> RawLog:
            return read.read_raw_events(*files.events, columns=columns, keep=named_columns(cleaning), **reading)

        data = cls._cleaned(read_log, path.name, texts, name or stem(path), columns, cleaning, explode)
        return data if relations is None else replace(data, catalog=with_relations(data.catalog, relations))

    # Any supported format is recognised.
    from_csv = from_files

    @classmethod
    def from_tables(
        cls,
        events: object,
        *,
        items: object | None = None,
        name: str = "data",
        columns: Columns = NONE,
        explode: str = "",
        **options: Unpack[CleaningOptions],
    ) -> Dataset:
        """Check and clean two tables of any frame library; a streaming Hugging Face data set is read through.

        ``columns``, ``explode`` and ``options`` as in ``from_files``. Raises DataError for a missing column, an
        unreadable time, or items without text.
        """
        check_options(options)
        texts = None if items is None else Table(to_polars(items, label="items"), "items")

        def read_log() -> RawLog:
            return RawLog(to_polars(events, label="events"), "events")

        return cls._cleaned(read_log, "events", texts, name, columns, options, explode)

    from_pandas = from_polars = from_tables

    @classmethod
    def from_sql(
        cls,
        events: str,
        *,
        connection: str,
        items: str | None = None,
        name: str = "data",
        columns: Columns = NONE,
        explode: str = "",
        **options: Unpack[CleaningOptions],
    ) -> Dataset:
        """Read the events, and the items, by a query each from a database (see ``sql.read_query``)."""
        check_options(options)
        texts = None if items is None else Table(read_query(items, connection), "items")

        def read_log() -> RawLog:
            return RawLog(read_query(events, connection), "events")

        return cls._cleaned(read_log, "events", texts, name, columns, options, explode)

    @classmethod
    def fetch(cls, name: str, *, positive: Condition = DEFAULT) -> Dataset:
        """Read a built-in data set (``llmrec data list``), downloading it once. See ``with_positive``.

        Raises DataError for an unknown name, EnvironmentFault without network and cache.
        """
        source, folder = builtin(name), unpack_wheel(name)
        items, options = Table(source.read_items(folder), name), CleaningOptions(positive=positive)
        return cls._cleaned(
            lambda: RawLog(source.read_events(folder), name), source.events, items, name, NONE, options
        )

    @classmethod
    def load(cls, source: str | Path) -> Dataset:
        """Read the folder that ``save`` wrote, or a built-in data set by its name (see ``fetch``).

        Where both are there, the folder is read. Raises DataError if it is not a whole, unchanged prepared data
        set, and for a name that is neither.
        """
        path = Path(source)
        if not path.exists() and str(source) in BUILTIN:
            return cls.fetch(str(source))
        prepared = read_prepared(path)
        data = cls(
            prepared.events,
            Catalog(prepared.items),
            prepared.name,
            prepared.steps,
            order_only=prepared.order_only,
            positive=prepared.positive or ALL_BY_DEFAULT,
        )
        if data.fingerprint != prepared.fingerprint:
            raise DataError(f"{path}: its tables changed since they were prepared; prepare them again")
        if prepared.positive is None:
            data = data.with_positive()
        if str(data.positive):
            log.info("%s: positive targets: %s", data.name, data.positive)
        return data

    def save(self, folder: str | Path) -> None:
        """Write ``events.parquet``, ``items.parquet`` and ``dataset.json``. Raises DataError if it exists."""
        write_prepared(Path(folder), self.events, self.catalog.table, self.ids, self._metadata)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over both tables' contents, column by column: the same data gives the same value."""
        return hash_tables([self.events, self.catalog.table])

    @cached_property
    def ids(self) -> tuple[EncodedIds, EncodedIds]:
        """The users and the items of the events as codes into their sorted names."""
        if self._encoded is not None:
            return self._encoded
        return encode_ids(self.events[USER], label=self.name), encode_ids(self.events[ITEM], label=self.name)

    @cached_property
    def n_users(self) -> int:
        """Number of users with at least one event."""
        return len(self.ids[0].names)

    @cached_property
    def histories(self) -> Histories:
        """Every user's events, oldest first."""
        return Histories.from_events(self.events)

    @cached_property
    def repeats_are_normal(self) -> bool:
        """Whether users come back to the same item often enough that seen items may be recommended."""
        events = self.positive_events  # what is sent back has been bought before
        distinct = events.select(USER, ITEM).unique().height
        return 1 - distinct / events.height > REPEATS_ARE_NORMAL if events.height else False

    @cached_property
    def positive_events(self) -> pl.DataFrame:
        """The events that are positive targets: what counting rules count."""
        return self.events.filter(positives_of(self.events)) if POSITIVE in self.events.columns else self.events

    def with_positive(self, positive: Condition = DEFAULT) -> Dataset:
        """Return the same data set with other positive targets: ``all``, a condition, or what is so by default.

        A condition is a polars expression or the text of an SQL one: ``rating >= 4``. Raises DataError for one
        that cannot be used, and where no event meets it.
        """
        events = self.events.drop(POSITIVE, strict=False)
        events, decided = settle_positives(events, positive, label=self.name)
        return replace(self, events=events, positive=decided)

    def with_events(self, events: pl.DataFrame) -> Dataset:
        """Return the same data set with other events (a part of them, say)."""
        return replace(self, events=events, _encoded=None)

    def __repr__(self) -> str:
        counts = f"{self.events.height:,} events, {self.n_users:,} users, {len(self.catalog):,} items"
        return f"Dataset({self.name}: {counts}{', order only' if self.order_only else ''})"

    def _shown(self) -> pl.DataFrame:
        return self.catalog.table

    def _metadata(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "order_only": self.order_only,
            "positive": self.positive.to_dict(),
            "users": self.n_users,
            "items": len(self.catalog),
            "events": self.events.height,
            "steps": [vars(step) for step in self.steps],
        }

    @classmethod
    def _cleaned(
        cls,
        read_log: Callable[[], RawLog],
        label: str,
        items: Table | None,
        name: str,
        columns: Columns,
        options: CleaningOptions,
        explode: str = "",
    ) -> Dataset:
        """Name the columns and clean. ``read_log`` returns the raw log, held nowhere here: see ``clean``."""
        catalog = None if items is None else NamedCatalog(items, columns)
        tables = {} if catalog is None else catalog.raw_columns

        def read_events() -> RawLog:
            raw = read_log()
            raw = replace(raw, label=label, frame=with_dotted_fields(raw.frame))
            check_columns(columns, {label: raw.source_columns or raw.frame.columns} | tables)
            raw = explode_items(raw, columns=columns, explode=explode)
            if catalog is not None:
                catalog.follow(raw)
            return name_log(raw, columns=columns, keep=named_columns(options))

        read_items = None if catalog is None else lambda: catalog.table
        cleaned = clean(read_events, read_items, label=label, **options)
        decided = cleaned.order_only, cleaned.positive
        return cls(cleaned.events, Catalog(cleaned.items), name, cleaned.steps, *decided, cleaned.ids)
