"""Top-k in a fixed order of ties, and the table of recommendations."""

from __future__ import annotations

import numpy as np
import polars as pl

from llmrec.arrays import Arrays, Bools, Float32s, Int64s
from llmrec.data import Catalog
from llmrec.data.columns import ITEM, RANK, SCORE, USER
from llmrec.errors import ModelError
from llmrec.retrieval.exact import unit_rows

# So many columns are bounded by their greatest score: it says whether any of them can be among the first.
_GROUP = 64


def top_k(scores: Float32s, k: int, tie_order: Int64s) -> tuple[Int64s, Float32s]:
    """Return the columns and values of each row's k highest scores, best first: both [n, min(k, n_items)].

    Equal scores come in ``tie_order``: each column's rank in a fixed order, [n_items] or [n, n_items].
    """
    n, k = len(scores), min(k, scores.shape[1])
    if k * 4 > scores.shape[1]:
        keys = _keys(scores, tie_order)
        best = np.argsort(-keys, axis=1)[:, :k]
        return best, np.take_along_axis(scores, best, axis=1)
    # Keys are made only for what can be among the first k, ties with the last of them included.
    rows, columns = _contenders(scores, k)
    ties = np.broadcast_to(tie_order, scores.shape)[rows, columns]
    order = np.lexsort((-_keys(scores[rows, columns], ties), rows))
    counts = np.bincount(rows, minlength=n)
    first = np.cumsum(counts) - counts
    best = columns[order[first[:, None] + np.arange(k)]]
    return best, np.take_along_axis(scores, best, axis=1)


def _contenders(scores: Float32s, k: int) -> tuple[Int64s, Int64s]:
    """Return rows and columns of all scores that reach k groups' greatest: each row's first k are among them."""
    width = scores.shape[1] // _GROUP if scores.shape[1] >= 4 * k * _GROUP else 0
    grouped = width * _GROUP
    # Group g holds the columns g, g + width, ...: the maximum over groups reads whole rows.
    greatest = scores[:, :grouped].reshape(len(scores), _GROUP, width).max(axis=1) if width else scores[:, :0]
    heads = np.concatenate([greatest, scores[:, grouped:]], axis=1)
    least = np.partition(heads, heads.shape[1] - k, axis=1)[:, heads.shape[1] - k]
    rows, groups = np.nonzero(heads >= least[:, None])
    single = groups >= width
    owners, firsts = rows[~single], groups[~single]
    members = firsts[:, None] + width * np.arange(_GROUP)
    reached = scores[owners[:, None], members] >= least[owners][:, None]
    rows_reached, columns_reached = np.repeat(owners, reached.sum(axis=1)), members[reached]
    columns = groups[single] - width + grouped
    return np.concatenate([rows_reached, rows[single]]), np.concatenate([columns_reached, columns])


def most_similar(
    vectors: Float32s, codes: Int64s, k: int, tie_order: Int64s, *, without: Bools | None = None
) -> tuple[Int64s, Float32s]:
    """Return the k other items of highest cosine to each given one, of vectors [n_items, dim]: [n, k].

    A given item, and those in ``without`` [n_items], come last, with a score of -inf.
    """
    scores = cosines(vectors, codes)
    scores[np.arange(len(codes)), codes] = -np.inf
    if without is not None:
        scores[:, without] = -np.inf
    return top_k(scores, k, tie_order)


def cosines(vectors: Float32s, codes: Int64s) -> Float32s:
    """Return the cosine of each given item to all, of vectors [n_items, dim]: float32 [n, n_items]."""
    unit = unit_rows(vectors)
    return np.asarray(unit[codes] @ unit.T, dtype=np.float32)


def rank_candidates(
    codes: Int64s,
    values: Float32s,
    k: int,
    tie_order: Int64s,
    *,
    without: Bools,
) -> tuple[Int64s, Float32s]:
    """Rank candidates of an index: item codes [n, m] and their scores, those in ``without`` [n, m] left out.

    Returns codes and scores as ``top_k`` does; left-out items come last, with a score of -inf.
    """
    filtered = np.where(without, np.float32(-np.inf), values)
    best, scores = top_k(filtered, k, tie_order[codes])
    return np.take_along_axis(codes, best, axis=1), scores


def finite(scores: Float32s) -> Float32s:
    """Return the scores of a model. Raises ModelError for NaN and infinity: they have no order."""
    if scores.size and not (np.isfinite(scores.max()) and np.isfinite(scores.min())):
        raise ModelError(
            "a score of this model is NaN or infinite: its weights are damaged; restore them or train again"
        )
    return scores


def _keys(scores: Float32s, tie_order: Int64s) -> Int64s:
    """Map (score, tie order) to distinct int64 keys that sort the same way.

    The bits of a float32, read as an integer, sort like the float once negative ones are flipped; the
    lower 31 bits hold the reversed tie order.
    """
    bits = (scores + np.float32(0.0)).view(np.int32).astype(np.int64)  # + 0.0 turns -0.0 into 0.0
    ordered = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    return (ordered << 31) - tie_order


def table_of(users: list[str], catalog: Catalog, best: Arrays, values: Arrays) -> pl.DataFrame:
    """Return ranked codes [n, k] as a table ``user_id, item_id, rank, score``, without scores of -inf."""
    n, k = best.shape
    table = pl.DataFrame(
        {
            USER: pl.Series(np.repeat(np.arange(n), k)),
            ITEM: pl.Series(best.reshape(-1).astype(np.int64)),
            RANK: pl.Series(np.tile(np.arange(1, k + 1, dtype=np.int32), n), dtype=pl.Int32),
            SCORE: pl.Series(values.reshape(-1).astype(np.float32), dtype=pl.Float32),
        }
    ).filter(pl.col(SCORE) > -np.inf)
    names, ids = pl.Series(users, dtype=pl.String), pl.Series(catalog.ids, dtype=pl.String)
    return table.with_columns(names.gather(table[USER]).alias(USER), ids.gather(table[ITEM]).alias(ITEM))


def similar_table(item_ids: list[str], catalog: Catalog, best: Arrays, values: Arrays) -> pl.DataFrame:
    """Return the items most like given ones, codes [n, k], as a table ``item_id, similar_id, rank, score``."""
    return table_of(item_ids, catalog, best, values).rename({ITEM: "similar_id"}).rename({USER: ITEM})
