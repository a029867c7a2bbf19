"""Beyond accuracy: coverage, novelty, diversity, popularity bias and calibration of recommendations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
import polars as pl

from llmrec.arrays import Float32s, Float64s, Int64s, Numbers
from llmrec.data import Catalog, Dataset, Histories, Sequences
from llmrec.data.columns import ITEM, RANK, USER
from llmrec.evaluation.results import Beyond
from llmrec.evaluation.significance import CELLS, Interval
from llmrec.retrieval.calibration import SMOOTHING, item_values

GENRES = ("genres", "genre", "categories", "category")


def beyond_accuracy(
    recs: pl.DataFrame, histories: Histories, train: Dataset, *, k: int = 10, level: float = 0.95
) -> Beyond:
    """Describe each user's first ``k`` recommendations (``user_id, item_id, rank``).

    Coverage: share of the catalog in anybody's list. Novelty: mean of -log2(share of users who met the item),
    an item nobody met counting as met by one (Zhou et al. 2010). Popularity: mean share of users who met the
    item (Yin et al. 2012); its lift against the histories is delta GAP (Abdollahpouri et al. 2019). Diversity:
    mean Jaccard distance of the genres of a list's pairs (Ziegler et al. 2005). Miscalibration: Kullback-Leibler
    divergence, in nats, of the list's genres from the history's (Steck 2018, smoothing 0.01).

    Who sent an item back or disliked it has not met it by that. The last two are None where the catalog has no
    column of genres. A list that is empty, or too short for a pair, is not part of a mean. Intervals are those of
    a mean of many independent users.
    """
    lists = _lists(recs, histories, train.catalog, k)
    met = train.positive_events.select(USER, ITEM).unique()[ITEM]
    people = np.bincount(train.catalog.codes(met), minlength=len(train.catalog)).astype(np.float64)
    share, shown = people / max(train.n_users, 1), lists[lists >= 0]
    novelty = -np.log2(np.maximum(people, 1) / max(train.n_users, 1))
    popularity = _list_means(share, lists)
    past = Sequences.encode(histories, train.catalog).positives()
    genres = genre_weights(train.catalog)
    return Beyond(
        coverage=len(np.unique(shown)) / max(len(train.catalog), 1),
        novelty=_mean(_list_means(novelty, lists), level),
        popularity=_mean(popularity, level),
        popularity_lift=_lift(popularity, share, past),
        diversity=None if genres is None else _mean(_distances(lists, genres), level),
        miscalibration=None if genres is None else _mean(_divergences(lists, past, genres), level),
    )


def genre_weights(catalog: Catalog) -> Float32s | None:
    """Return each item's genres as shares that add up to 1, float32 [n_items, n_genres]; None without genres.

    The first of the columns genres, genre, categories, category counts: lists, or texts separated by "," ";"
    or "|".
    """
    column = next((name for name in GENRES if name in catalog.table.columns), None)
    if column is None:
        return None
    items, values = item_values(catalog.table[column])
    if not len(items):
        return None
    weights = np.zeros((len(catalog), int(values.max()) + 1), dtype=np.float32)
    weights[items, values] = 1
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1)
    return weights


def _lists(recs: pl.DataFrame, histories: Histories, catalog: Catalog, k: int) -> Int64s:
    """Lay lists out as item codes [n_users, k]; -1 where there is no item, or one that the catalog lacks."""
    users = pl.DataFrame({USER: pl.Series(histories.user_ids, dtype=pl.String)}).with_row_index("row")
    top = recs.filter(pl.col(RANK).is_between(1, k)).join(users, on=USER, how="inner")
    lists = np.full((len(histories), k), -1, dtype=np.int64)
    lists[top["row"].to_numpy(), top[RANK].to_numpy() - 1] = catalog.codes(top[ITEM])
    return lists


def _list_means(values: Float64s, lists: Int64s) -> Float64s:
    """Mean of an item's value over each list; NaN for an empty one."""
    mask = lists >= 0
    sums = np.where(mask, values[np.maximum(lists, 0)], 0.0).sum(axis=1)
    return _over(sums, mask.sum(axis=1))


def _lift(popularity: Float64s, share: Float64s, past: Sequences) -> float | None:
    histories = _over(
        np.bincount(past.users(), weights=share[past.codes], minlength=len(past)).astype(np.float64),
        past.lengths(),
    )
    both = np.isfinite(popularity) & np.isfinite(histories)
    base = float(histories[both].mean()) if both.any() else 0.0
    return float(popularity[both].mean()) / base - 1 if base else None


def _distances(lists: Int64s, genres: Float32s) -> Float64s:
    """Mean Jaccard distance over each list's pairs of items that have genres; NaN without such a pair."""
    has = genres > 0
    distances = np.full(len(lists), np.nan)
    k = lists.shape[1]
    pairs = np.triu(np.ones((k, k), dtype=bool), 1)
    for part in _portions(len(lists), k * max(k, has.shape[1])):
        marks = np.where((lists[part] >= 0)[..., None], has[np.maximum(lists[part], 0)], False).astype(np.float32)
        sizes = marks.sum(axis=2)
        common = marks @ marks.transpose(0, 2, 1)
        union = sizes[:, :, None] + sizes[:, None, :] - common
        comparable = pairs & (sizes[:, :, None] > 0) & (sizes[:, None, :] > 0)
        sums = np.where(comparable, 1 - common / np.maximum(union, 1), 0).sum(axis=(1, 2))
        distances[part] = _over(sums, comparable.sum(axis=(1, 2)))
    return distances


def _divergences(lists: Int64s, past: Sequences, genres: Float32s) -> Float64s:
    """KL(history's genres || list's genres) of each user; NaN where either has none."""
    divergences = np.full(len(lists), np.nan)
    longest = int(past.lengths().max(initial=1))
    for part in _portions(len(lists), genres.shape[1] * max(longest, lists.shape[1])):
        codes = past.codes[past.offsets[part.start] : past.offsets[part.stop]]
        ends = past.offsets[part.start : part.stop + 1] - past.offsets[part.start]
        chosen, filled = np.zeros((len(ends) - 1, genres.shape[1])), ends[1:] > ends[:-1]
        chosen[filled] = np.add.reduceat(genres[codes], ends[:-1][filled], axis=0, dtype=float)
        mask = (lists[part] >= 0)[..., None]
        shown = np.where(mask, genres[np.maximum(lists[part], 0)], 0).sum(axis=1, dtype=float)
        p, q = (_over(counts.T, counts.sum(axis=1)).T for counts in (chosen, shown))
        mixed = (1 - SMOOTHING) * q + SMOOTHING * p
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(p > 1e-12, p * np.log(p / mixed), 0.0)
        both = np.isfinite(p).all(axis=1) & np.isfinite(q).all(axis=1)
        divergences[part] = np.where(both, terms.sum(axis=1), np.nan)
    return divergences


def _mean(values: Float64s, level: float) -> Interval | None:
    """Mean and normal interval of the values that are numbers; None without one."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    mean = float(finite.mean())
    error = float(finite.std(ddof=1)) / math.sqrt(len(finite)) if len(finite) > 1 else 0.0
    margin = NormalDist().inv_cdf((1 + level) / 2) * error
    return Interval(mean=mean, low=mean - margin, high=mean + margin)


def _over(sums: Float64s, counts: Numbers) -> Float64s:
    """Divide; NaN where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(counts > 0, sums / counts, np.nan)


def _portions(n: int, width: int) -> Iterator[slice]:
    step = max(1, CELLS // max(width, 1))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
