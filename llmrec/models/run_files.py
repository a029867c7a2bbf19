"""What every run directory holds besides the model's own files: its items, the known histories and the facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, FiniteFloat, StrictBool, StrictInt, StrictStr, ValidationError

from llmrec.artifact import HISTORIES, MANIFEST
from llmrec.data import Catalog, Histories
from llmrec.data.columns import BEHAVIOR, ITEM, NUMBERS, POSITIVE, TIME, TITLE, USER
from llmrec.data.event_days import starts_of_days
from llmrec.data.event_prices import PRICE, currencies, prices_paid
from llmrec.errors import ArtifactError, RecipeError
from llmrec.models.tensors import require
from llmrec.resources.bounded import UnreadableError, read_table
from llmrec.retrieval.run_items import REMOVED

ITEMS = "items.parquet"
ROW = "row"
# Where the base model of a run lies now: a folder or GGUF file, or several of which one is it.
BasePaths = str | Path | Sequence[str | Path]


class _Data(BaseModel):
    name: StrictStr
    fingerprint: StrictStr
    events: StrictInt


class _Split(BaseModel):
    name: StrictStr
    hash: StrictStr


class _Weights(BaseModel):
    name: StrictStr
    identity: StrictStr


class _Base(_Weights):
    """``revision``: the commit of a hub's model. ``dtype``: what it was trained in."""

    revision: StrictStr | None = None
    dtype: StrictStr | None = None


class _Forgotten(BaseModel):
    users: StrictInt
    last: StrictStr


class _Metadata(BaseModel):
    model_config = ConfigDict(extra="allow")

    seed: StrictInt
    data: _Data
    exclude_seen: StrictBool
    cost: dict[StrictStr, StrictStr | FiniteFloat] = {}
    split: _Split | None = None
    base: _Base | None = None
    encoder: _Weights | None = None
    added_items: StrictInt = 0
    forgotten: _Forgotten | None = None


def check_metadata(metadata: Mapping[str, Any], folder: Path) -> None:
    """Raise ArtifactError where a run's manifest lacks something that models and reports read."""
    try:
        _Metadata.model_validate(metadata)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise ArtifactError(
            f"{folder / MANIFEST} is damaged ({field}: {first['msg']}); restore it or train again"
        ) from error


def write_items(catalog: Catalog, folder: Path) -> None:
    """Write the catalog; each row has its number, which is also that of its row in the model's arrays."""
    catalog.table.with_columns(pl.Series(ROW, np.arange(len(catalog), dtype=np.int32))).write_parquet(
        folder / ITEMS
    )
    if catalog.removed is not None:
        catalog.table.select(ITEM).filter(catalog.removed).write_parquet(folder / REMOVED)


def read_items(folder: Path) -> Catalog:
    """Read the catalog. Raises ArtifactError for a damaged one, and for rows in another order than the model's."""
    path = folder / ITEMS
    table = _table(path)
    for name in (ITEM, TITLE):
        require(table.schema.get(name) == pl.String and not table[name].null_count(), path, f"'{name}' is no text")
    require(table.height > 0, path, "it holds no item")
    require(table[ITEM].is_unique().all(), path, "an item has several rows")
    rows = table.get_column(ROW, default=pl.Series(ROW, []))
    in_order = rows.dtype == pl.Int32 and rows.equals(pl.Series(ROW, np.arange(table.height, dtype=np.int32)))
    require(in_order, path, "its rows are not in the order of the model's weights")
    catalog = Catalog(table.drop(ROW))
    return catalog if not (folder / REMOVED).exists() else _without_removed(catalog, folder / REMOVED)


def _without_removed(catalog: Catalog, path: Path) -> Catalog:
    ids = _table(path).get_column(ITEM, default=pl.Series(ITEM, []))
    require(ids.dtype == pl.String and bool(len(ids)) and not ids.null_count(), path, f"'{ITEM}' is no text")
    codes = catalog.codes(ids)
    require(bool((codes >= 0).all()), path, "an item is not in the catalog")
    removed = np.zeros(len(catalog), dtype=bool)
    removed[codes] = True
    require(not removed.all(), path, "no item is left")
    return catalog.replaced(catalog.table, removed)


def write_histories(histories: Histories, catalog: Catalog, columns: Sequence[str], folder: Path) -> None:
    """Write the events of each user: items, these columns, which are positive targets, and what reasons tell of.

    That are the days, as ``timestamp`` where the columns have no exact times, and comparable prices.
    """
    users = pl.Series(USER, histories.user_ids, dtype=pl.String).gather(
        np.repeat(np.arange(len(histories)), histories.lengths())
    )
    events = histories.events
    marks = [POSITIVE] if POSITIVE in events.columns else []
    table = events.select(users, ITEM, *columns, *marks)
    facts = [starts_of_days(events), prices_paid(events, catalog)]
    # Beside prices that a model reads stands their currency: without it they would look comparable.
    facts += [events[name] for name in currencies(events) if PRICE in columns]
    new = [column for column in facts if column is not None and column.name not in table.columns]
    table.with_columns(new).write_parquet(folder / HISTORIES)


def read_histories(folder: Path) -> Histories:
    """Read what is known of each user. Raises ArtifactError."""
    return Histories.from_events(read_events(folder))


def read_events(folder: Path) -> pl.DataFrame:
    """Read the events of the users that a run knows. Raises ArtifactError."""
    path = folder / HISTORIES
    events = _table(path)
    for name in (USER, ITEM):
        require(
            events.schema.get(name) == pl.String and not events[name].null_count(), path, f"'{name}' is no text"
        )
    for name, dtype in events.schema.items():
        column = events[name]
        if name == TIME:
            require(dtype.is_numeric() and not column.null_count(), path, f"'{name}' is no time")
        if name == BEHAVIOR:
            require(dtype in {pl.String, pl.Categorical, pl.Null}, path, f"'{name}' is no text")
        if name == POSITIVE:
            require(dtype == pl.Boolean and not column.null_count(), path, f"'{name}' is not true or false")
        if name in NUMBERS:
            require(dtype.is_numeric() or dtype == pl.Null, path, f"'{name}' is no number")
        require(not (dtype.is_float() and column.is_infinite().any()), path, f"'{name}' is infinite")
    return events


def _table(path: Path) -> pl.DataFrame:
    try:
        return read_table(path)
    except (UnreadableError, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it or train again") from error


def paths_of(base: BasePaths | None) -> tuple[Path, ...]:
    """Return the paths that ``load`` was given for a base model."""
    paths = [] if base is None else [base] if isinstance(base, str | Path) else base
    return tuple(Path(path) for path in paths)


@contextmanager
def fitted_before(run: Path) -> Iterator[None]:
    """Turn a RecipeError about the recipe that a run holds into one line about the run. Raises ArtifactError."""
    try:
        yield
    except RecipeError as error:
        raise ArtifactError(
            f"{run} was fitted by an earlier version of llmrec, whose recipes differ ({error}); fit it again: "
            "llmrec fit RECIPE --data DIR --out RUN"
        ) from error
