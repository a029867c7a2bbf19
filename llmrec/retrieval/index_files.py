"""An index on the disk: one folder with a manifest, or the vectors that a run holds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmrec import artifact
from llmrec.arrays import Float32s
from llmrec.errors import ArtifactError, WriteConflict
from llmrec.resources.bounded import UnreadableError, read_table
from llmrec.resources.cache import sha256_of
from llmrec.resources.locks import restored
from llmrec.retrieval.flat import INDEX, flat_rows
from llmrec.retrieval.kinds import IndexKind
from llmrec.retrieval.searcher import Searcher
from llmrec.retrieval.searchers import SEARCHERS

Noun = Literal["item", "user"]
IDS, ITEMS = "ids.parquet", "items.parquet"
MEMBERS = "members"


class IndexFacts(BaseModel):
    """What an index is and how well it answers, as its manifest holds it.

    ``n`` vectors of ``dim`` numbers, with or without a bias. ``recall_at_10``: the share of the ten best rows of
    an exact search that it returned for ``n_queries`` sampled queries when it was built. ``run``: the fingerprint
    of the run whose vectors it holds. ``replaces``: that of the folder that was here before it was compacted, of
    which the first ``n_changes`` changes are made here.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    kind: IndexKind
    metric: Literal["inner product"] = "inner product"
    n: int = Field(ge=1)
    dim: int = Field(ge=1)
    biased: bool
    bytes_per_item: int = 16
    effort: int = Field(default=0, ge=0, le=2**20)
    recall_at_10: float | None = None
    n_queries: int = 0
    seconds: float = 0.0
    memory_bytes: int = 0
    run: str | None = None
    replaces: str | None = None
    n_changes: int = Field(default=0, ge=0)

    @property
    def width(self) -> int:
        """How many numbers a row has."""
        return self.dim + self.biased


class Opened(NamedTuple):
    """What a folder holds: how to search, the ids of the rows, the facts, and whose folder of an index it is.

    ``folder``: None where a run holds the vectors. ``fingerprint``: of the folder's manifest.
    """

    searcher: Searcher
    ids: pl.Series
    facts: IndexFacts
    folder: Path | None = None
    fingerprint: str = ""


def run_fingerprint(run: str | Path) -> str:
    """Return what tells a run from all others, whoever it forgets. Raises ArtifactError without a run."""
    return artifact.fingerprint(Path(run))


def journal_path(folder: Path) -> Path:
    """Return the file of an index's changes, beside its folder: whoever moves one moves both."""
    return folder.with_name(f"{folder.name}.changes")


def write_index(folder: Path, noun: Noun, opened: Opened, *, replace: bool = False) -> None:
    """Write an index folder whole, or nothing. Raises ArtifactError if ``folder`` exists, but for ``replace``."""
    if not replace and journal_path(folder).exists():
        raise ArtifactError(
            f"{journal_path(folder)} holds changes of an index that was at {folder}; remove it, or choose another "
            "folder"
        )

    def fill(path: Path) -> None:
        opened.searcher.save(path)
        opened.ids.alias(f"{noun}_id").to_frame().write_parquet(path / IDS)

    facts = {"index": opened.facts.model_dump()}
    artifact.write(folder, kind=f"{noun}-index", metadata=facts, fill=fill, replace=replace)


def read_index(folder: Path, noun: Noun, *, verify: bool) -> Opened:
    """Read what ``write_index`` wrote, or the vectors of a run's items. Raises ArtifactError."""
    manifest = artifact.read(restored(folder), verify=verify)
    fingerprint = sha256_of(folder / artifact.MANIFEST)
    other = "user" if noun == "item" else "item"
    if manifest.kind == f"{other}-index":
        raise ArtifactError(
            f"{folder} holds an index of {other}s, not of {noun}s; open it by {other.title()}Index"
        )
    if manifest.kind != f"{noun}-index":
        with artifact.reading(folder):
            return _of_run(folder, noun, verify=verify)
    try:
        facts = IndexFacts.model_validate(manifest.metadata.get("index"))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "index"
        raise ArtifactError(
            f"{folder / artifact.MANIFEST} is damaged ({field}: {first['msg']}); build the index again"
        ) from error
    with artifact.reading(folder):
        ids = _ids(folder / IDS, f"{noun}_id", facts.n)
        searcher = SEARCHERS[facts.kind].open(folder, n=facts.n, effort=facts.effort)
        if searcher.rows.shape != (facts.n, facts.width):
            raise ArtifactError(f"{folder / INDEX} holds vectors of another width; build the index again")
    if sha256_of(folder / artifact.MANIFEST) != fingerprint:
        raise WriteConflict(f"{folder} was written anew while it was read; open it again")
    return Opened(searcher, ids, facts, folder, fingerprint)


def _of_run(folder: Path, noun: Noun, *, verify: bool) -> Opened:
    """Map the vectors of a run into memory; users' lie in a folder beside it."""
    if noun == "user":
        beside = restored(users_of(folder))
        if not beside.is_dir():
            raise ArtifactError(
                f"{folder} holds no vectors of users; write them to {beside} by: llmrec export {folder} --users "
                "--to faiss"
            )
        opened = read_index(beside, noun, verify=verify)
        require_run(opened.facts, folder, beside)
        return opened
    holder = folder_of_vectors(folder)
    if holder is None:
        kind = artifact.read(folder, verify=False).kind
        if kind in {"item-vectors", "user-vectors"}:
            raise ArtifactError(
                f"{folder} holds exported vectors, which are no index; open the run, or export it --to faiss"
            )
        raise ArtifactError(
            f"{folder} holds no item vectors: {kind} models have none, or it was fitted by an earlier version; "
            "those of such a run are read by llmrec.load(run).item_vectors()"
        )
    ids = _ids(folder / ITEMS, "item_id", None)
    searcher = SEARCHERS["flat"].open(holder, n=len(ids), effort=0)
    facts = IndexFacts(
        kind="flat",
        n=len(ids),
        dim=searcher.rows.shape[1] - 1,
        biased=True,
        recall_at_10=1.0,
        run=run_fingerprint(folder),
    )
    return Opened(searcher, ids, facts)


def folder_of_vectors(run: Path) -> Path | None:
    """Return the folder that holds a run's item vectors: itself, or the first of its members that has some."""
    members = list((run / MEMBERS).iterdir()) if (run / MEMBERS).is_dir() else []
    members.sort(key=lambda path: (len(path.name.split("-")[0]), path.name))
    return next((path for path in (run, *members) if (path / INDEX).is_file()), None)


def vectors_of_run(run: Path, n: int) -> Float32s | None:
    """Map the item vectors of a run of n items into memory, [n, dim]; None where it holds none.

    Raises ArtifactError where they are damaged.
    """
    holder = folder_of_vectors(run)
    if holder is None:
        return None
    vectors = flat_rows(holder / INDEX, n)[:, :-1]
    if not (np.isfinite(vectors.max()) and np.isfinite(vectors.min())):
        raise ArtifactError(f"{holder / INDEX} is damaged: it holds NaN or infinity; restore it or train again")
    return vectors


def users_of(run: Path) -> Path:
    """Return the folder beside a run that holds the index of its users."""
    return run.with_name(f"{run.name}.users")


def require_run(facts: IndexFacts, run: Path, folder: Path) -> None:
    """Raise ArtifactError for an index of another run's vectors."""
    if facts.run != run_fingerprint(run):
        raise ArtifactError(
            f"{folder} is an index of another run than {run}; remove it, and build it from this one"
        )


def _ids(path: Path, column: str, n: int | None) -> pl.Series:
    try:
        table = read_table(path)
    except (UnreadableError, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it, or build it again") from error
    ids: pl.Series = table.get_column(column, default=pl.Series(column, []))
    if ids.dtype != pl.String or ids.null_count() or not ids.is_unique().all():
        raise ArtifactError(f"{path} is damaged: it does not hold one {column} for each row; build it again")
    if n is not None and len(ids) != n:
        raise ArtifactError(f"{path} holds {len(ids)} ids for {n} vectors; build it again")
    return ids
