"""Read event and item files of every known format; the name of a file or folder says which it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Unpack

import polars as pl

from llmrec.data.cleaning.table import RawLog, Step, Table
from llmrec.data.columns import ITEM, NUMBERS, TIME, USER
from llmrec.data.readers.column_names import NONE, Columns, event_columns, id_columns, name_log
from llmrec.data.readers.delimited import TextFormat, read_atomic, read_delimited
from llmrec.data.readers.discover import LogFiles, files_of_folder, is_one_table
from llmrec.data.readers.frames import to_polars, with_dotted_fields
from llmrec.data.readers.item_lists import list_columns
from llmrec.data.readers.joins import refuse_half_logs
from llmrec.data.readers.json_lines import read_json_lines
from llmrec.data.readers.known_names import EVENTS, ITEMS, find_column
from llmrec.data.readers.log_parts import FilesOption, check_files, require_prefixed_ids, stacked
from llmrec.data.readers.movielens import has_double_colons, read_dat, read_u_data, read_u_item
from llmrec.data.readers.numerals import check_decimal, plain_numbers
from llmrec.data.readers.options import FileOptions
from llmrec.data.readers.part_names import PACKED, ending_of
from llmrec.data.readers.raw_cells import REPEATS_HEADER, without_headers, without_protection
from llmrec.errors import DataError, EnvironmentFault
from llmrec.plugins import function_of, names_of

# A format is a function from a path to a table of raw columns.
Reader = Callable[[Path], pl.DataFrame]

# The entry points of this group are read where no reader here has the ending, never at import.
GROUP = "llmrec.readers"
_SHEET = "sheets are not read: save this one as CSV, or pass pandas.read_excel(...) to Dataset.from_pandas"
_ARCHIVE = "archives are not read: unpack it and name the folder"
_PICKLE = "a pickle can run code when it is read: write the table as Parquet"
# What a file that is not read can become, by its ending.
_NOT_READ = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), _SHEET),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), _ARCHIVE),
    **dict.fromkeys((".pkl", ".pickle"), _PICKLE),
}


def register_reader(ending: str, reader: Reader) -> None:
    """Read files whose names end so (``.xlsx``, say) by a function from a path to a table of raw columns.

    Column names, ids, times and all cleaning are as for every other format. An installed package does the same for
    every process, the command line too, by an entry point of the group ``llmrec.readers``, named as the ending
    without its dot. Raises DataError for something else than an ending, and for one that another reader has.

    >>> register_reader(".upper", lambda path: pl.read_csv(path, infer_schema=False).rename(str.lower))
    """
    ending = ending.lower()
    if not re.fullmatch(r"\.\w+", ending) or ending in PACKED:
        raise DataError(f"'{ending}' is no ending of a file format; write it with its dot, such as .xlsx")
    present = _READERS.get(ending, reader)
    if present is not reader:
        raise DataError(
            f"files that end in {ending} are read by {present.__name__} already; choose another ending"
        )
    _READERS[ending] = reader


def find_files(path: Path, *, items: str | Path | None = None, files: FilesOption = "auto") -> LogFiles:
    """Return the event log and the catalog at ``path``: a file, or a folder with both.

    ``items`` is a catalog that is named, ``files`` says whether several logs of a folder are one.
    """
    check_files(files)
    named = None if items is None else Path(items)
    if not path.is_dir() or _is_saved_by_datasets(path):
        return LogFiles((path,), named)
    endings = [name for name in _READERS if name.startswith(".")]
    endings += [f".{name.lower()}" for name in names_of(GROUP)]
    if is_one_table(path, endings=endings, files=files):
        return LogFiles((path,), named)
    return files_of_folder(path, endings=tuple(endings), given=named, files=files)


def read_events(
    path: Path, *, columns: Columns = NONE, keep: Collection[str] = (), **options: Unpack[FileOptions]
) -> RawLog:
    """Read a log with our column names, see ``name_log``. Raises DataError naming file and line or column."""
    lists = partial(list_columns, columns=columns, explode=options.get("explode", ""))
    table = _readable(RawLog(read_raw(path, lists=lists, **options), path.name), columns)
    frame = _with_numbers(table.frame, path.name, columns, options.get("decimal", ""))
    return name_log(table.with_frame(frame), columns=columns, keep=keep)


def read_raw_events(
    *paths: Path, columns: Columns = NONE, keep: Collection[str] = (), **options: Unpack[FileOptions]
) -> RawLog:
    """Read one log with its raw columns, or several with our column names, put together as by ``stacked``."""
    if len(paths) == 1:
        lists = partial(list_columns, columns=columns, explode=options.get("explode", ""))
        raw = read_raw(paths[0], ids=partial(id_columns, columns=columns), lists=lists, **options)
        if not options.get("explode"):
            refuse_half_logs(paths, with_dotted_fields(raw).columns, columns)
        table = _readable(RawLog(raw, paths[0].name), columns)
        return table.with_frame(_with_numbers(table.frame, table.label, columns, options.get("decimal", "")))
    refuse_half_logs(paths, (), columns)
    tables = {path: read_events(path, columns=columns, keep=keep, **options) for path in paths}
    steps = [step for table in tables.values() for step in table.steps]
    frames = {path: table.frame for path, table in tables.items()}
    rows = stacked(frames, files=options.get("files", "auto"))
    repeated = sum(step.removed for step in steps)
    total = [Step(REPEATS_HEADER, "events", rows.height + repeated, repeated)] if repeated else []
    noted = ((table.label, step) for table in tables.values() for step in table.steps if step.note)
    total += [replace(step, rows_in=rows.height, note=f"{label}: {step.note}") for label, step in noted]
    times = {table.time_name for table in tables.values()}
    names = dict.fromkeys(name for table in tables.values() for name in table.source_columns)
    return RawLog(
        rows,
        paths[0].parent.name,
        tuple(total),
        time_name=times.pop() if len(times) == 1 else TIME,
        source_columns=tuple(names),
    )


def _readable(table: RawLog, columns: Columns) -> RawLog:
    return without_protection(without_headers(table), ids=id_columns(table.frame.columns, columns))


def _with_numbers(table: pl.DataFrame, label: str, columns: Columns, decimal: str) -> pl.DataFrame:
    """Rewrite numbers with decimal commas and the like: in all columns but ids where the mark is given."""
    named = event_columns(table.columns, (*NUMBERS, USER, ITEM, TIME), columns)
    others = [name for ours, name in named.items() if ours not in NUMBERS]
    numbers = [name for ours, name in named.items() if ours in NUMBERS]
    chosen = [name for name in table.columns if name not in others] if check_decimal(decimal) else numbers
    return table.with_columns(
        plain_numbers(table[name], decimal=decimal, most=name in numbers, label=label) for name in chosen
    )


def read_catalog(log_files: LogFiles, **options: Unpack[FileOptions]) -> Table | None:
    """Read the catalog of a log. Raises DataError where its files are separate logs, whose ids it cannot have."""
    if log_files.items is None:
        return None
    items = read_items(log_files.items, **options)
    require_prefixed_ids(items, log_files.events, files=options.get("files", "auto"))
    return items


def read_items(path: Path, **options: Unpack[FileOptions]) -> Table:
    """Read a catalog with its raw columns."""
    named: FileOptions = {**options, "header": options.get("items_header", ())}
    raw = Table(read_raw(path, option="--items-header", lists=_ids_of_items, **named), path.name)
    items = without_protection(without_headers(raw), ids=_ids_of_items(raw.frame.columns))
    table = items.frame
    decimal = options.get("decimal", "")
    prices = [name for name in table.columns if find_column("price", EVENTS["price"], [name])]
    others = [name for name in table.columns if find_column(ITEM, ITEMS[ITEM], [name]) is None]
    numbers = (
        plain_numbers(table[name], decimal=decimal, most=name in prices, label=path.name)
        for name in (others if decimal else prices)
    )
    return items.with_frame(table.with_columns(numbers))


def _ids_of_items(names: list[str]) -> list[str]:
    name = find_column(ITEM, ITEMS[ITEM], names)
    return [] if name is None else [name]


def read_raw(
    path: Path,
    *,
    ids: Callable[[list[str]], Collection[str]] = lambda names: (),
    lists: Callable[[list[str]], Collection[str]] = lambda names: (),
    option: str = "--header",
    **options: Unpack[FileOptions],
) -> pl.DataFrame:
    """Read a table with its raw columns.

    ``ids`` and ``option`` as in ``delimited.read_delimited``, ``lists`` as in ``read_json_lines``; other formats
    are read as text first. Raises DataError for a missing, unknown, empty or broken file.
    """
    if not path.exists():
        raise DataError(f"{path} does not exist; check the path")
    ending = "folder" if path.is_dir() else ending_of(path)
    reader = _NAMES.get(path.name.lower().removesuffix(".gz")) or _READERS.get(ending) or _of_package(ending)
    if reader is None:
        known = ", ".join(
            [*(name for name in _READERS if name != "folder"), *(f".{one}" for one in names_of(GROUP))]
        )
        remedy = _NOT_READ.get(ending, "cannot tell the format from its name")
        raise DataError(f"{path}: {remedy}; known endings: {known} (also with .gz)")
    header = options.get("header", ())
    if reader is read_dat and (header or not has_double_colons(path)):
        reader = read_delimited
        options = {**options, "delimiter": options.get("delimiter") or ("::" if has_double_colons(path) else "")}
    if header and reader is not read_delimited:
        raise DataError(f"{path}: {option} is for CSV and its kind; here the format names the columns")
    try:
        if reader is read_delimited:
            written = _text_format(options)
            table = read_delimited(path, header=header, ids=ids, option=option, text_format=written)
        elif reader is read_json_lines:
            table = read_json_lines(path, encoding=options.get("encoding", ""), lists=lists)
        else:
            table = reader(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if table.is_empty():
        raise DataError(f"{path} has a header but no rows; export it again with its data")
    return table


def _of_package(ending: str) -> Reader | None:
    """Return the reader that an installed package registers for an ending. Raises RegistryError."""
    name = ending.removeprefix(".")
    reader: Reader | None = function_of(GROUP, name, f"reader of .{name} files") if name else None
    return reader


def _text_format(options: FileOptions) -> TextFormat:
    return TextFormat(options.get("encoding", ""), options.get("delimiter", ""), options.get("quotes", "auto"))


def _is_saved_by_datasets(path: Path) -> bool:
    return (path / "dataset_info.json").is_file()


def _read_folder(path: Path) -> pl.DataFrame:
    """Read a folder of Parquet files, or one that Hugging Face ``datasets`` saved to disk."""
    if not _is_saved_by_datasets(path):
        return _read_parquet(path)
    try:
        import datasets
    except ImportError as error:
        raise EnvironmentFault(f"{path}: datasets is not installed: pip install datasets") from error
    return to_polars(datasets.load_from_disk(str(path)), label=path.name)


def _read_parquet(path: Path) -> pl.DataFrame:
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} is a folder without a .parquet file; name the file to read")
    try:
        return pl.read_parquet(files, glob=False, hive_partitioning=path.is_dir())
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read as Parquet: {reason}; write it again") from error


# The ending of a file's name picks the reader.
_READERS: dict[str, Reader] = {
    ".csv": read_delimited,
    ".tsv": read_delimited,
    ".tab": read_delimited,
    ".txt": read_delimited,
    ".inter": read_atomic,
    ".item": read_atomic,
    ".user": read_atomic,
    ".parquet": _read_parquet,
    ".pq": _read_parquet,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json_lines,
    ".dat": read_dat,
    "folder": _read_folder,
}
# MovieLens 100K names its files so; their endings say nothing.
_NAMES: dict[str, Reader] = {"u.data": read_u_data, "u.item": read_u_item}
