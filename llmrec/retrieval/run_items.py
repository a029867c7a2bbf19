"""What became of a run's items since it was written: which are removed, and the journal of changes beside it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import polars as pl

from llmrec import artifact
from llmrec.data.columns import ITEM
from llmrec.errors import ArtifactError
from llmrec.resources.bounded import UnreadableError, read_table
from llmrec.resources.cache import named
from llmrec.resources.journal import Journal

# The file of a run with the ids of removed items, where there are some.
REMOVED = "removed.parquet"
VERBS = ("add", "update", "remove")


class ItemChange(NamedTuple):
    """One change of a run's items: its number, add, update or remove, and the rows that were given."""

    number: int
    verb: str
    rows: pl.DataFrame


def changes_of(run: Path) -> Path:
    """Return the file beside a run that holds the changes of its items: whoever moves one moves both."""
    run = named(run)
    return run.with_name(f"{run.name}.changes")


def require_no_changes(run: Path) -> None:
    """Raise ArtifactError where a run cannot be written: the changes of an earlier one would be made of it."""
    path = changes_of(run)
    if path.exists():
        raise ArtifactError(
            f"{path} holds changes of a run that was at {run}; remove it, or choose another folder"
        )


def journal_of(run: Path) -> Journal:
    """Return the journal of a run's changes. Raises ArtifactError without a run."""
    return Journal(changes_of(run), owner=artifact.fingerprint(run), label="run")


def write_change(journal: Journal, verb: str, rows: pl.DataFrame, *, after: int) -> int:
    """Write one change and return its number. Raises as ``Journal.extend``."""
    content = BytesIO()
    rows.write_parquet(content)
    return journal.append({"items": verb}, content.getvalue(), after=after)


def read_changes(journal: Journal) -> list[ItemChange]:
    """Read all changes. Raises ArtifactError for a damaged journal, another run's, and one of a newer format."""
    changes = []
    for number, record, content in journal.replay():
        verb = str(record.get("items"))
        if verb not in VERBS:
            raise ArtifactError(
                f"{journal.path}: change {number} is of a kind that this version of llmrec does not know; install "
                "a newer one"
            )
        try:
            changes.append(ItemChange(number, verb, pl.read_parquet(BytesIO(content))))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise unfitting(journal.path, number, error) from error
    return changes


def unfitting(path: Path, number: int, error: Exception) -> ArtifactError:
    """Return what is said of a change that cannot be made."""
    reason = " ".join(str(error).split())[:300]
    return ArtifactError(
        f"{path}: change {number} does not fit the run ({reason}); restore the journal, or remove it to open the "
        "run without the changes that it holds"
    )


def removed_items(run: Path, ids: pl.Series) -> list[str]:
    """Return which of a run's item ids are removed, in the run or by changes beside it. Raises ArtifactError."""
    path = run / REMOVED
    removed = set(_ids(path) if path.exists() else [])
    for change in read_changes(journal_of(run)) if changes_of(run).exists() else []:
        named_items = set(change.rows[ITEM])
        removed = removed | named_items if change.verb == "remove" else removed - named_items
    return ids.filter(ids.is_in(list(removed))).to_list() if removed else []


def vectors_are_all(run: Path) -> bool:
    """Whether a run holds the vectors of its items as they are now: none came since, and none changed."""
    return not changes_of(run).exists() or all(change.verb == "remove" for change in read_changes(journal_of(run)))


def _ids(path: Path) -> list[str]:
    try:
        ids = read_table(path).get_column(ITEM, default=pl.Series(ITEM, [], dtype=pl.String))
    except (UnreadableError, OSError) as error:
        raise ArtifactError(f"{path} is damaged ({error}); restore it or train again") from error
    if ids.dtype != pl.String or ids.null_count():
        raise ArtifactError(f"{path} is damaged: '{ITEM}' is no text; restore it or train again")
    return ids.to_list()
