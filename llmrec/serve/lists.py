"""The lists of a batch of queries, by as few calls of the model as there are kinds of queries in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from llmrec.data import Catalog, Histories
from llmrec.data.columns import ITEM, RANK, SCORE, USER
from llmrec.models.base import Recommender
from llmrec.models.ranker import Ranker
from llmrec.retrieval import Calibration, Filter
from llmrec.retrieval.calibration import Diversity
from llmrec.serve.histories import QueriedHistory, joined
from llmrec.serve.precomputed import PrecomputedScores
from llmrec.serve.queries import FilterQuery, RecommendQuery
from llmrec.serve.sessions import UserVectors

ListRows = list[dict[str, Any]]


def lists_of(
    model: Recommender,
    vectors: UserVectors | None,
    queries: Sequence[RecommendQuery],
    histories: Sequence[QueriedHistory],
) -> list[ListRows | Exception]:
    """Return each query's list, or what was wrong with the query; the histories' events have the same columns.

    Queries without rules of their own are ranked together; the others are scored together and ranked each for
    itself. ``vectors``: for an LLM, also in a stack, which then reads only the histories that are not remembered.
    """
    every = joined(histories)
    ranker: Ranker = model
    if vectors is not None:
        ranker = vectors.ranker(every, [one.live for one in histories])
    lists: dict[int, ListRows | Exception] = {}
    plain: dict[bool, list[int]] = {}
    for n, query in enumerate(queries):
        if query.filter is None and not query.diversity:
            wanted = model.exclude_seen if query.exclude_seen is None else query.exclude_seen
            plain.setdefault(wanted, []).append(n)
    for exclude_seen, numbers in plain.items():
        longest = max(queries[n].k for n in numbers)
        ranked = rows_by_user(
            ranker.recommend(every.take(numbers), longest, exclude_seen=exclude_seen), model.catalog
        )
        lists |= {n: ranked.get(str(n), [])[: queries[n].k] for n in numbers}
    others = [n for n in range(len(queries)) if n not in lists]
    if others and (vectors is None or vectors.in_stack):
        scores = ranker.score(every.take(others))
        ranker = PrecomputedScores(model, {str(n): row for n, row in zip(others, scores, strict=True)})
    lists |= {n: _by_rules(ranker, every[n : n + 1], queries[n]) for n in others}
    return [lists[n] for n in range(len(queries))]


def rows_by_user(table: pl.DataFrame, catalog: Catalog) -> dict[str, ListRows]:
    """Return the rows of each user's list in a table of recommendations, with titles."""
    lists: dict[str, ListRows] = {}
    titles, codes = catalog.titles, catalog.codes(table[ITEM]).tolist()
    columns = (table[name].to_list() for name in (USER, ITEM, RANK, SCORE))
    for code, user, item, rank, score in zip(codes, *columns, strict=True):
        row = {"item_id": item, "title": titles[code], "rank": rank, "score": score}
        lists.setdefault(user, []).append(row)
    return lists


def _by_rules(ranker: Ranker, history: Histories, query: RecommendQuery) -> ListRows | Exception:
    """Rank one history by the rules of its query."""
    try:
        table = ranker.recommend(
            history,
            query.k,
            exclude_seen=query.exclude_seen,
            filter=None if query.filter is None else filter_of(query.filter, ranker.catalog),
            diversity=diversity_of(query),
        )
    except Exception as error:  # it is this query's alone
        return error
    return rows_by_user(table, ranker.catalog).get(history.user_ids[0], [])


def diversity_of(query: RecommendQuery) -> Diversity:
    """Return a query's diversity."""
    weight = float(query.diversity)
    return weight if query.calibrate is None else Calibration(query.calibrate, weight)


def filter_of(query: FilterQuery, catalog: Catalog) -> Filter:
    """Return a query's filter; denied and allowed ids that the catalog lacks say nothing."""

    def known(ids: Sequence[str]) -> list[str]:
        return [item for item, code in zip(ids, catalog.codes(ids), strict=True) if code >= 0]

    return Filter(
        tuple(query.where),
        allow=None if query.allow is None else known(query.allow),
        deny=known(query.deny),
        at_most=dict(query.at_most),
        boosts={condition: float(gain) for condition, gain in query.boosts.items()},
    )
