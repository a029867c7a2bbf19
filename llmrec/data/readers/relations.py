"""Read triples between items, head, relation, tail: each relation becomes a column of the catalog."""

from __future__ import annotations

import logging
from pathlib import Path

import polars as pl

from llmrec.data.catalog import Catalog
from llmrec.data.columns import ITEM, TITLE
from llmrec.data.ids import id_column
from llmrec.data.readers.read import read_raw
from llmrec.errors import DataError

log = logging.getLogger(__name__)

HEAD, RELATION, TAIL = "head", "relation", "tail"
_NAMES = {
    HEAD: ("head", "head_id", "subject", "source", "item_id"),
    RELATION: ("relation", "relation_id", "predicate"),
    TAIL: ("tail", "tail_id", "object", "target", "value"),
}
# A file of more relations is a graph of everything: nobody reads a catalog so wide.
MOST_RELATIONS = 100


def with_relations(catalog: Catalog, path: str | Path) -> Catalog:
    """Return the catalog with a column of lists for each relation of a file of triples.

    A head is an item's id. Of a relation whose tails are all ids of items the values are their titles, else the
    tails as written. Triples are read one by one, so that cycles do no harm; repeated ones count once, and an
    item's relation to itself not at all. Triples of unknown heads are left out, which is logged. Raises DataError
    for a file without such columns, without a known head, and for a relation that is a column already.
    """
    source = Path(path)
    triples = _read(source)
    known = triples.filter(pl.col(HEAD).is_in(catalog.table[ITEM].implode()))
    unknown = triples.filter(~pl.col(HEAD).is_in(catalog.table[ITEM].implode()))
    if not known.height:
        raise DataError(
            f"{source.name}: no head of its {triples.height:,} triples is an item, e.g. '{triples[HEAD][0]}'; "
            "heads are item ids"
        )
    if unknown.height:
        log.warning(
            "%s: %s of %s triples are left out, their heads are no items, e.g. '%s'",
            *(source.name, f"{unknown.height:,}", f"{triples.height:,}", unknown[HEAD][0]),
        )
    names = known[RELATION].unique(maintain_order=True).to_list()
    _check_names(names, catalog, source.name)
    table = catalog.table
    for name in names:
        values = _values(known.filter(pl.col(RELATION) == name), catalog).rename({TAIL: name})
        table = table.join(values, left_on=ITEM, right_on=HEAD, how="left", maintain_order="left")
    return Catalog(table, catalog.removed)


def _read(path: Path) -> pl.DataFrame:
    """Read triples as texts, without repeated ones and those between an item and itself."""
    raw = read_raw(path)
    # RecBole writes types behind names: "head_id:token".
    bare = {name.partition(":")[0].strip().lower(): name for name in raw.columns}
    named = {
        ours: next((bare[theirs] for theirs in known if theirs in bare), None) for ours, known in _NAMES.items()
    }
    missing = [ours for ours, theirs in named.items() if theirs is None]
    if missing:
        raise DataError(
            f"{path.name}: no column '{missing[0]}' among {', '.join(raw.columns[:6])}; a triple has head (an "
            "item's id), relation, tail"
        )
    columns = [id_column(raw[theirs], ours, label=path.name) for ours, theirs in named.items() if theirs]
    triples = pl.DataFrame(columns).unique(maintain_order=True).filter(pl.col(HEAD) != pl.col(TAIL)).drop_nulls()
    if not triples.height:
        raise DataError(f"{path.name}: it holds no triple; a triple has head (an item's id), relation, tail")
    return triples


def _check_names(names: list[str], catalog: Catalog, label: str) -> None:
    if len(names) > MOST_RELATIONS:
        raise DataError(
            f"{label}: {len(names):,} relations; keep the {MOST_RELATIONS} that a reader would be told"
        )
    taken = next((name for name in names if name in catalog.table.columns), None)
    if taken is not None:
        raise DataError(f"{label}: the relation '{taken}' is a column of the items already; give it another name")


def _values(triples: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
    """Return each head's tails as a list; ids of items as their titles."""
    codes = catalog.codes(triples[TAIL])
    if (codes >= 0).all():
        titles = catalog.table[TITLE].gather(codes)
        triples = triples.with_columns(titles.alias(TAIL))
    return triples.group_by(HEAD, maintain_order=True).agg(pl.col(TAIL))
