"""What a protocol asks of a fold: whom, about which items, and whose answer each row is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Integers
from llmrec.data import Fold, Split
from llmrec.data.columns import ITEM, USER
from llmrec.errors import DataError
from llmrec.evaluation.protocol import EvaluationProtocol
from llmrec.metrics import per_user


@dataclass(frozen=True, eq=False)
class Questions:
    """One row for each question. ``owners``: the user behind each row of ``fold``, several rows may share one.

    ``candidates``: the items to rank for each row, by the row's name; None for the whole catalog.
    ``choices``: how many items there are to rank.
    """

    fold: Fold
    owners: tuple[str, ...]
    candidates: Mapping[str, list[str]] | None
    choices: int

    def judged(self, recs: pl.DataFrame, *, k: int) -> pl.DataFrame:
        """Judge recommendations for the rows: one line a user, the mean over the user's rows."""
        rows = self.fold.histories.user_ids
        table = per_user(recs, self.fold.answers, users=rows, k=k)
        if rows == self.owners:
            return table
        named = table.with_columns(pl.Series(USER, self.owners, dtype=pl.String))
        return named.group_by(USER, maintain_order=True).mean()


def questions(split: Split, fold: Fold, rules: EvaluationProtocol, *, exclude_seen: bool) -> Questions:
    """Put a fold's questions as the protocol says. ``exclude_seen``: seen items may not be recommended.

    With sampled candidates a row is a pair of user and answer, and the others on its list are answers of other
    rows: drawn as often as they are chosen by those who could, so that being popular says little. The draw is
    seeded by the row's number and never by its answer. Raises DataError where there are too few to draw from.
    """
    if isinstance(rules.candidates, int):
        return _sampled(split, fold, rules, rules.candidates, exclude_seen=exclude_seen)
    users = fold.histories.user_ids
    if rules.candidates == "all":
        return Questions(fold, users, None, len(split.train.catalog))
    new = split.train.catalog.without(split.train.events[ITEM])
    if not new:
        raise DataError(f"{split.train.name}: every item is trained on, so there is no new one to rank")
    return Questions(fold, users, dict.fromkeys(users, new), len(new))


def _sampled(split: Split, fold: Fold, rules: EvaluationProtocol, n: int, *, exclude_seen: bool) -> Questions:
    catalog = split.train.catalog
    answers = fold.answers.unique(maintain_order=True)
    asked = catalog.codes(answers[ITEM])
    popular = _rates(split, fold, asked, exclude_seen=exclude_seen)
    chosen = np.arange(answers.height)
    if rules.rows is not None and rules.rows < answers.height:
        chosen = np.sort(np.random.default_rng(rules.seed).permutation(answers.height)[: rules.rows])
    place = {user: row for row, user in enumerate(fold.histories.user_ids)}
    places = np.array([place[user] for user in answers[USER].gather(chosen)], dtype=np.int64)
    own = _own_answers(answers[USER], asked)
    seen = catalog.codes(fold.histories.events[ITEM]) if exclude_seen else np.empty(0, dtype=np.int64)
    names, lists = tuple(map(str, chosen)), {}
    for name, row, at in zip(names, chosen, places, strict=True):
        user, bounds = fold.histories.user_ids[at], fold.histories.offsets[at : at + 2]
        free = popular.copy()
        free[own[user]] = 0
        theirs = seen[bounds[0] : bounds[1]] if exclude_seen else seen
        free[theirs[theirs >= 0]] = 0
        # Seeded by the row's number alone: the same list would be drawn whatever the answer.
        rng = np.random.default_rng([rules.seed, int(row)])
        others = _drawn(rng, free, n - 1)
        if len(others) < n - 1:
            raise DataError(
                f"{split.train.name}: for user '{user}' there are only {len(others)} other answers to draw from, "
                f"{rules.name} needs {n - 1}; choose a protocol that ranks every item"
            )
        codes = rng.permutation(np.append(others, asked[row]))
        lists[name] = [catalog.ids[code] for code in codes]
    rows = fold.histories.take(places)
    named = type(rows)(names, rows.events, rows.offsets)
    wanted = pl.DataFrame({USER: pl.Series(names, dtype=pl.String), ITEM: answers[ITEM].gather(chosen)})
    return Questions(Fold(named, wanted), rows.user_ids, lists, n)


def _rates(split: Split, fold: Fold, asked: Integers, *, exclude_seen: bool) -> Float64s:
    """How often each item is the answer of those who could choose it.

    Seen items are no answers where ``exclude_seen``: the popular ones are answers less often than they are
    popular with whoever has not seen them, and others drawn by bare counts would be too unpopular.
    """
    catalog, known = split.train.catalog, fold.histories
    counts = np.bincount(asked, minlength=len(catalog)).astype(np.float64)
    if not exclude_seen:
        return counts
    codes = catalog.codes(known.events[ITEM])
    users = np.repeat(np.arange(len(known)), known.lengths())
    met = pl.DataFrame({"user": users, "code": codes}).filter(pl.col("code") >= 0).unique()
    unseen = len(known) - np.bincount(met["code"].to_numpy(), minlength=len(catalog))
    return counts / np.maximum(unseen, 1)


def _own_answers(users: pl.Series, asked: Integers) -> dict[str, Integers]:
    table = pl.DataFrame({USER: users, "code": asked}).group_by(USER).agg("code")
    return {user: np.array(codes) for user, codes in table.iter_rows()}


def _drawn(rng: np.random.Generator, weights: Float64s, n: int) -> Integers:
    """Draw n different places one after the other, each with a chance as its weight; fewer if there are fewer.

    Efraimidis & Spirakis 2006: the n smallest of exponential times with the weights as rates.
    """
    # One number for each place, whatever its weight: what is left out changes nothing for the others.
    times = np.full(len(weights), np.inf)
    np.divide(rng.exponential(size=len(weights)), weights, out=times, where=weights > 0)
    return np.argsort(times)[: min(n, np.count_nonzero(weights))]
