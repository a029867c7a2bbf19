"""What a protocol has ranked of a fold: for whom, which candidates, and whose answer each row is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Int64s, Integers
from llmrec.data import Fold, Split
from llmrec.data.columns import ITEM, USER
from llmrec.errors import DataError
from llmrec.evaluation.protocol import EvaluationProtocol
from llmrec.metrics import per_user


@dataclass(frozen=True, eq=False)
class Queries:
    """One row of ``fold`` for each list to rank. ``owners``: the user of each row; rows may share one.

    ``candidates``: the items to rank for each row, by the row's name; None for the whole catalog.
    ``choices``: how many items there are to rank.
    """

    fold: Fold
    owners: tuple[str, ...]
    candidates: Mapping[str, list[str]] | None
    choices: int

    def metrics(self, recs: pl.DataFrame, *, k: int) -> pl.DataFrame:
        """Judge recommendations for the rows: one row a user, the mean over the user's rows."""
        rows = self.fold.histories.user_ids
        table = per_user(recs, self.fold.answers, users=rows, k=k)
        if rows == self.owners:
            return table
        named = table.with_columns(pl.Series(USER, self.owners, dtype=pl.String))
        return named.group_by(USER, maintain_order=True).mean()


def build_queries(split: Split, fold: Fold, rules: EvaluationProtocol, *, exclude_seen: bool) -> Queries:
    """Make a fold's queries as the protocol says. ``exclude_seen``: seen items may not be recommended.

    With sampled candidates a row is a pair of user and answer, and the negatives on its list are answers of
    other rows: drawn as often as they are chosen by those who could, so that being popular says little. The draw
    is seeded by the row's number and never by its answer. Raises DataError where there are too few to draw from.
    """
    if isinstance(rules.candidates, int):
        return _sampled(split, fold, rules, rules.candidates, exclude_seen=exclude_seen)
    users = fold.histories.user_ids
    if rules.candidates == "all":
        return Queries(fold, users, None, len(split.train.catalog))
    new = split.train.catalog.without(split.train.events[ITEM])
    if not new:
        raise DataError(f"{split.train.name}: every item is trained on, so there is no new one to rank")
    return Queries(fold, users, dict.fromkeys(users, new), len(new))


def _sampled(split: Split, fold: Fold, rules: EvaluationProtocol, n: int, *, exclude_seen: bool) -> Queries:
    catalog, histories = split.train.catalog, fold.histories
    answers = fold.answers.unique(maintain_order=True)
    targets = catalog.codes(answers[ITEM])
    rates = _answer_rates(split, fold, targets, exclude_seen=exclude_seen)
    targets_of = _targets_by_user(answers[USER], targets)
    seen = catalog.codes(histories.events[ITEM]) if exclude_seen else np.empty(0, dtype=np.int64)
    chosen = _chosen_rows(answers.height, rules)
    history_of = {user: row for row, user in enumerate(histories.user_ids)}
    rows = np.array([history_of[user] for user in answers[USER].gather(chosen)], dtype=np.int64)
    names, lists = tuple(map(str, chosen)), {}
    for name, number, row in zip(names, chosen, rows, strict=True):
        user, bounds = histories.user_ids[row], histories.offsets[row : row + 2]
        weights = rates.copy()
        weights[targets_of[user]] = 0
        excluded = seen[bounds[0] : bounds[1]] if exclude_seen else seen
        weights[excluded[excluded >= 0]] = 0
        # Seeded by the row's number alone: the same list would be drawn whatever the answer.
        rng = np.random.default_rng([rules.seed, int(number)])
        negatives = _drawn(rng, weights, n - 1)
        if len(negatives) < n - 1:
            raise DataError(
                f"{split.train.name}: for user '{user}' there are only {len(negatives)} other answers to draw "
                f"from, {rules.name} needs {n - 1}; choose a protocol that ranks every item"
            )
        codes = rng.permutation(np.append(negatives, targets[number]))
        lists[name] = [catalog.ids[code] for code in codes]
    named = histories.take(rows, user_ids=names)
    wanted = pl.DataFrame({USER: pl.Series(names, dtype=pl.String), ITEM: answers[ITEM].gather(chosen)})
    return Queries(Fold(named, wanted), tuple(histories.user_ids[row] for row in rows), lists, n)


def _chosen_rows(n_answers: int, rules: EvaluationProtocol) -> Int64s:
    """Return the numbers of the answers to rank, at random where the protocol bounds them, in ascending order."""
    if rules.rows is None or rules.rows >= n_answers:
        return np.arange(n_answers)
    return np.sort(np.random.default_rng(rules.seed).permutation(n_answers)[: rules.rows])


def _answer_rates(split: Split, fold: Fold, targets: Integers, *, exclude_seen: bool) -> Float64s:
    """How often each item is the answer of those who could choose it, [n_items].

    Seen items are no answers where ``exclude_seen``: the popular ones are answers less often than they are
    popular with whoever has not seen them, and negatives drawn by bare counts would be too unpopular.
    """
    catalog, known = split.train.catalog, fold.histories
    counts = np.bincount(targets, minlength=len(catalog)).astype(np.float64)
    if not exclude_seen:
        return counts
    codes = catalog.codes(known.events[ITEM])
    users = np.repeat(np.arange(len(known)), known.lengths())
    seen = pl.DataFrame({"user": users, "code": codes}).filter(pl.col("code") >= 0).unique()
    unseen = len(known) - np.bincount(seen["code"].to_numpy(), minlength=len(catalog))
    return counts / np.maximum(unseen, 1)


def _targets_by_user(users: pl.Series, targets: Integers) -> dict[str, Integers]:
    table = pl.DataFrame({USER: users, "code": targets}).group_by(USER).agg("code")
    return {user: np.array(codes) for user, codes in table.iter_rows()}


def _drawn(rng: np.random.Generator, weights: Float64s, n: int) -> Integers:
    """Draw n different indices one by one, each with a probability as its weight; fewer if there are fewer.

    Efraimidis & Spirakis 2006: the n smallest of exponential times with the weights as rates.
    """
    # One number for each index, whatever its weight: what is left out changes nothing for the others.
    times = np.full(len(weights), np.inf)
    np.divide(rng.exponential(size=len(weights)), weights, out=times, where=weights > 0)
    return np.argsort(times)[: min(n, np.count_nonzero(weights))]
