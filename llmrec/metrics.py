"""Accuracy of ranked lists, one number per user and metric, from ranks and item ids alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Float64s, Int64s
from llmrec.data.columns import ITEM, RANK, USER
from llmrec.data.ids import id_column, whole_number
from llmrec.errors import DataError, InputError
from llmrec.plugins import function_of, names_of, paths_of

log = logging.getLogger(__name__)

# The entry points of this group are read when something is judged, never at import.
GROUP = "llmrec.metrics"
# At most so many cells of hits are held at once, so that memory stays flat whatever the number of users.
CELLS = 4_000_000


@dataclass(frozen=True, eq=False)
class Hits:
    """Which items of each user's list are answers: all that a metric reads.

    ``at`` [n_users, k]: whether the item at rank 1, 2, ... is an answer; False where a list is shorter.
    ``n_answers`` [n_users]: how many answers there are, in the list or not; at least 1.

    >>> hits = Hits(np.array([[False, True]]), np.array([1]))
    >>> recall(hits), mrr(hits)
    (array([1.]), array([0.5]))
    """

    at: Bools
    n_answers: Int64s

    @property
    def k(self) -> int:
        """The length of a list."""
        return int(self.at.shape[1])

    @property
    def ranks(self) -> Int64s:
        """The rank of each column, 1 to k."""
        return np.arange(1, self.k + 1)


Metric = Callable[[Hits], Float64s]


def ndcg(hits: Hits) -> Float64s:
    """Binary gains over those of the ideal list of min(k, number of answers). Järvelin & Kekäläinen 2002."""
    # ln(x) / ln(2) may differ from log2(x) in the last digit: it stays, so that earlier results stay equal.
    gains = _sums(np.where(hits.at, 1 / (np.log(hits.ranks + 1) / np.log(2)), 0.0))
    ideal = np.cumsum(1 / np.log2(hits.ranks + 1))[np.minimum(hits.n_answers, hits.k) - 1]
    return np.asarray(gains / ideal)


def recall(hits: Hits) -> Float64s:
    """The share of a user's answers that are in the list; with one answer, the hit rate."""
    return np.asarray(hits.at.sum(axis=1) / hits.n_answers)


def mrr(hits: Hits) -> Float64s:
    """One divided by the rank of the first answer in the list, 0 without one."""
    return np.where(hits.at.any(axis=1), 1 / (hits.at.argmax(axis=1) + 1), 0.0)


def average_precision(hits: Hits) -> Float64s:
    """The mean over all answers of the precision at the rank of each, 0 where it is not in the list: map_cut."""
    return _sums(np.where(hits.at, hits.at.cumsum(axis=1) / hits.ranks, 0.0)) / hits.n_answers


def precision(hits: Hits) -> Float64s:
    """The share of the k items that are answers, also where a list is shorter."""
    return np.asarray(hits.at.sum(axis=1) * (1 / hits.k))


def _sums(values: Float64s) -> Float64s:
    """Add up each row [n, k] in ascending order, with what rounding loses carried along (Kahan 1965)."""
    totals, lost = np.zeros(len(values)), np.zeros(len(values))
    for column in np.sort(values, axis=1).T:
        term = column - lost
        sums = totals + term
        totals, lost = sums, (sums - totals) - term
    return totals


# What the metrics of packages are tried on: long lists, as a metric may look at any rank.
_EXAMPLE = Hits(np.eye(2, 100, dtype=np.bool_), np.array([1, 2]))
_METRICS: dict[str, Metric] = {
    "ndcg": ndcg,
    "recall": recall,
    "mrr": mrr,
    "map": average_precision,
    "precision": precision,
}
# Every metric by its name, those of ``register_metric`` included.
METRICS: Mapping[str, Metric] = MappingProxyType(_METRICS)


def register_metric(name: str, metric: Metric) -> None:
    """Add a metric: from then on protocols may name it, and tables and reports show it as ``name@k``.

    ``metric`` takes ``Hits`` and returns float64 [n_users], higher is better; its docstring explains it to the
    readers of a report. An installed package does the same for every process, the command line too, by an entry
    point of the group ``llmrec.metrics``, named as the metric. Raises DataError for a name that is no word or that
    another function has.

    >>> def first_hit(hits: Hits) -> Float64s:
    ...     "Whether the first item is a right answer."
    ...     return hits.at[:, 0].astype(np.float64)
    >>> register_metric("first_hit", first_hit)
    """
    if not name.isidentifier():
        raise DataError(f"metric '{name}': a name is one word of letters, digits and _, such as hit_rate")
    known = METRICS.get(name)
    # A function defined again, as in a notebook, takes its own name over.
    if known is not None and _origin(known) != _origin(metric):
        raise DataError(f"metric '{name}' is {_origin(known)} already; choose another name for {_origin(metric)}")
    _METRICS[name] = metric


def register_package_metrics(wanted: Collection[str] = ()) -> None:
    """Add the metrics that installed packages register by entry points.

    One that cannot be used, or fails on a small example, is logged and left out. Raises RegistryError or DataError
    where it is ``wanted``.
    """
    for name in names_of(GROUP):
        try:
            _register_of_package(name)
        except InputError as error:
            if name in wanted:
                raise
            log.warning("%s; it is left out", error)


def _register_of_package(name: str) -> None:
    metric = function_of(GROUP, name, f"metric '{name}'")
    if METRICS.get(name) is metric:
        return
    if not name.isidentifier():
        raise DataError(
            f"{_named(name)}: a name is one word of letters, digits and _, such as hit_rate; its package must "
            "give it one"
        )
    _values(name, metric, _EXAMPLE)
    register_metric(name, metric)


def per_user(recs: pl.DataFrame, answers: pl.DataFrame, *, users: Sequence[str], k: int = 10) -> pl.DataFrame:
    """Judge each user's first ``k`` recommendations. Returns ``user_id`` and one float64 column per metric.

    ``recs`` has ``user_id, item_id, rank`` (ranks from 1), ``answers`` has ``user_id, item_id``; a user may
    have several answers. One row per entry of ``users``, in that order; recommendations of others are ignored.
    A column is called ``recall@10``; the functions of this file say what each metric is.

    A user without a recommendation counts as zero, and so does a user without an answer: leave the latter
    out of ``users`` if nothing was held out for them. Raises DataError for missing columns, ranks that are no
    whole numbers from 1, and an item or a rank twice in one user's list: each would change a metric.
    """
    k = whole_number(k, label="k")
    rows = id_column(users, USER, label="users").to_frame().with_row_index("row")
    if rows[USER].is_duplicated().any():
        twice = rows.filter(pl.col(USER).is_duplicated())[USER][0]
        raise DataError(f"users: '{twice}' is named more than once; name each user once")
    wanted = _keyed(answers, (USER, ITEM), name="answers").unique()
    ranked = _checked(_keyed(recs, (USER, ITEM, RANK), name="recommendations").filter(pl.col(RANK) <= k))
    cells = ranked.join(wanted, on=[USER, ITEM], how="semi").join(rows, on=USER).sort("row")
    totals = rows.join(wanted.group_by(USER).agg(total=pl.len()), on=USER, how="left", maintain_order="left")
    # Counted as one answer where there is none: 0 hits / 1 is the zero such a user stands for.
    n_answers = totals["total"].fill_null(1).cast(pl.Int64).to_numpy()
    values = [_evaluated(hits) for hits in _hits(cells["row"].to_numpy(), cells[RANK].to_numpy(), n_answers, k)]
    columns = (pl.Series(f"{name}@{k}", np.concatenate([part[name] for part in values])) for name in METRICS)
    return rows.select(USER, *columns)


def _hits(rows: Int64s, ranks: Int64s, n_answers: Int64s, k: int) -> Iterator[Hits]:
    """Yield the users' hits in portions; hit i is at ``ranks[i]`` of user ``rows[i]``, in ascending order."""
    n, step = len(n_answers), max(1, CELLS // k)
    for start in range(0, max(n, 1), step):
        first, last = np.searchsorted(rows, [start, start + step])
        at = np.zeros((min(step, n - start), k), dtype=np.bool_)
        at[rows[first:last] - start, ranks[first:last] - 1] = True
        yield Hits(at, n_answers[start : start + step])


def _evaluated(hits: Hits) -> dict[str, Float64s]:
    return {name: _values(name, metric, hits) for name, metric in METRICS.items()}


def _values(name: str, metric: Metric, hits: Hits) -> Float64s:
    """Compute a metric. Raises DataError where it fails or returns something else than a number for each user."""
    try:
        values = np.asarray(metric(hits), dtype=np.float64)
    except (Exception, SystemExit) as error:  # anything may happen in the code of others
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(
            f"{_named(name)} failed ({reason}); correct {_origin(metric)}, or uninstall what registers it"
        ) from error
    if values.shape != (len(hits.at),) or not np.isfinite(values).all():
        raise DataError(
            f"{_named(name)} returned an array of shape {values.shape} for {len(hits.at)} users; "
            "it must return one finite number for each"
        )
    return values


def _named(name: str) -> str:
    """Name a metric, and the package that registers it, if one does."""
    sources = " and ".join(paths_of(GROUP, name))
    return f"metric '{name}' of {sources}" if sources else f"metric '{name}'"


def _origin(metric: Metric) -> str:
    return f"{metric.__module__}.{getattr(metric, '__qualname__', metric)}"


def _keyed(table: pl.DataFrame, columns: tuple[str, ...], *, name: str) -> pl.DataFrame:
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(f"{name}: no column '{missing[0]}' among {', '.join(table.columns) or 'none'}")
    # Peers' files may hold ids as numbers; here an id is a string everywhere.
    return table.select(
        _ranks(table[column], name) if column == RANK else id_column(table[column], column, label=name)
        for column in columns
    )


def _ranks(column: pl.Series, name: str) -> pl.Series:
    """Return ranks as whole numbers. Raises DataError for a rank that is none: cut or left out, it would count."""
    ranks = column.cast(pl.Float64, strict=False).fill_nan(None)
    wrong = column.filter(ranks.is_null() | (ranks != ranks.floor()) | ranks.is_infinite())
    if len(wrong):
        raise DataError(f"{name}: rank {wrong[0]} is no whole number; number each user's list 1, 2, 3, ...")
    return ranks.cast(pl.Int64)


def _checked(ranked: pl.DataFrame) -> pl.DataFrame:
    low = ranked.filter(pl.col(RANK) < 1)[RANK]
    if len(low):
        raise DataError(f"recommendations: rank {low[0]} is below 1; number each user's list from 1")
    for column in (ITEM, RANK):
        twice = ranked.filter(pl.struct(USER, column).is_duplicated())
        if twice.height:
            user, value = twice[USER][0], twice[column][0]
            raise DataError(
                f"recommendations: {column} '{value}' is more than once in the list of user '{user}'; keep it once"
            )
    return ranked
