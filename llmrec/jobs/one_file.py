"""Recommendations of all users in one file, with titles: a batch job beside it, whose parts are then joined."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import polars as pl

from llmrec.data.columns import ITEM, TITLE
from llmrec.errors import ArtifactError, DataError
from llmrec.jobs.folder import disk_space, whole_file
from llmrec.jobs.job import BatchResult, batch
from llmrec.models.run_changes import current_items
from llmrec.resources.cache import named
from llmrec.resources.locks import exclusive

FORMATS = (".parquet", ".csv", ".jsonl")
_COLUMNS = ("user_id", "rank", ITEM, TITLE, "score")


def recommend_into(run: str | Path, out: str | Path, **options: Any) -> BatchResult:
    """Write what every user of a run does next to one file: ``user_id, rank, item_id, title, score``.

    ``out`` ends in .parquet, .csv or .jsonl. ``options`` are those of ``batch``. The file is there whole or not at
    all: until then the parts stand beside it in ``OUT.parts``, with which the same call goes on where one stopped.
    Memory does not grow with the number of users. Raises as ``batch`` does, DataError for another ending, and
    ArtifactError where ``out`` is there.

    >>> from llmrec.data import toy_films
    >>> from llmrec.models import PopularityRecommender
    >>> PopularityRecommender().fit(toy_films()).save("run")
    >>> recommend_into("run", "recs.parquet", k=3).n_users
    60
    """
    path = named(Path(out))
    check_file(path)
    parts = path.with_name(f"{path.name}.parts")
    with exclusive(path), disk_space(parts):
        check_file(path)
        result = batch(run, parts, job="recommend", **options)
        titles = current_items(Path(run)).table.select(ITEM, TITLE)
        with whole_file(path) as temporary, _writer(temporary, path.suffix) as write:
            for part in sorted(parts.glob("part-*.parquet")):
                table = pl.read_parquet(part, glob=False)
                write(table.join(titles, on=ITEM, how="left", maintain_order="left").select(_COLUMNS))
        shutil.rmtree(parts)
    return result


def check_file(out: Path) -> None:
    """Raise DataError for a file of no known format, ArtifactError for one that is there."""
    if out.suffix not in FORMATS:
        raise DataError(f"--out {out}: name a file that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if out.exists():
        raise ArtifactError(f"{out} is there; name another --out, or remove it")


@contextmanager
def _writer(path: Path, suffix: str) -> Iterator[Callable[[pl.DataFrame], None]]:
    """Yield what adds a table to a file."""
    if suffix == ".parquet":
        yield from _parquet(path)
        return
    with path.open("wb") as file:
        yield _csv(file) if suffix == ".csv" else lambda table: table.write_ndjson(file)


def _parquet(path: Path) -> Iterator[Callable[[pl.DataFrame], None]]:
    from pyarrow import parquet

    writers = list[parquet.ParquetWriter]()

    def write(table: pl.DataFrame) -> None:
        rows = table.to_arrow(compat_level=pl.CompatLevel.oldest())
        if not writers:
            writers.append(parquet.ParquetWriter(path, rows.schema))
        writers[0].write_table(rows)

    try:
        yield write
    finally:
        for writer in writers:
            writer.close()


def _csv(file: IO[bytes]) -> Callable[[pl.DataFrame], None]:
    def write(table: pl.DataFrame) -> None:
        table.write_csv(file, include_header=file.tell() == 0)

    return write
