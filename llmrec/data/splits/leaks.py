"""Look for leaks: what would let a model predict answers without having learned anything.

A finding's share is compared with a bound above which it is an error: a benchmark with it cannot be trusted.
Below it is a warning, which the report shows. The bounds are set so that the public data sets as they are
handed out pass (ML-100K has 2.6 % of films that share a title and half of its answers tied in time), while
what is wrong by construction, such as an answer that is also trained on, is an error from the first on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import polars as pl

from llmrec.data.cleaning.sorted_rows import STEP
from llmrec.data.columns import BEHAVIOR, ITEM, TIME, TITLE, USER
from llmrec.data.dataset import Dataset
from llmrec.data.splits.fold import Fold
from llmrec.data.splits.named import NAMED_SPLITS, strategy_of
from llmrec.data.splits.split import Split
from llmrec.data.splits.tie_order import tie_order
from llmrec.errors import DataError, LeakError

log = logging.getLogger(__name__)

Candidates = Mapping[str, Sequence[str]]
# The fold that the lists are for, and the lists.
Lists = tuple[Fold, Candidates]

# Above this share of consecutive steps n to n + 1 that only one user took, ids were given out along histories.
NUMBERED = 0.05
# Fewer such steps than this may be coincidence.
LEAST_STEPS = 100
# Above this share of answers equal to the history's last item, repeating it is a winning strategy.
REPEATED = 0.05
# Above this share of items with another's title, titles name no items; Book-Crossing's editions: 0.2.
SAME_TITLE = 0.5
# Above this share of answers that are also trained on. A few are: a product may be on an invoice twice.
TRAINED_ON = 0.05
# Up to this share of answers with the time of the event before, their order makes no difference to a result.
TIED = 0.01
# What a strategy promises to keep out of train may not be there at all.
NEVER = 0.0
# Fewer candidate lists than this say nothing about how they were made.
LEAST_LISTS = 20


@dataclass(frozen=True)
class Finding:
    """A leak by name, how much of the data it touches (0 to 1), and what it means in one line."""

    name: str
    severity: Literal["error", "warning"]
    share: float
    message: str

    def to_dict(self) -> dict[str, object]:
        """Return plain values, for a manifest or a report."""
        return asdict(self)


def check(split: Split, *, candidates: Lists | None = None) -> list[Finding]:
    """Run every guard on a split, and on candidate lists where they are given."""
    findings = [look(split) for look in GUARDS.values()]
    if candidates is not None:
        findings.append(seeded_candidates(*candidates))
    return [finding for finding in findings if finding is not None]


def guard(split: Split, *, allow: Iterable[str] = (), candidates: Lists | None = None) -> list[dict[str, object]]:
    """Raise LeakError for the first error that is not allowed by name; log the rest.

    Returns all findings as plain values, with ``allowed`` for those that were let pass. Raises DataError for
    a name in ``allow`` that no guard has.
    """
    names = set(allow)
    unknown = sorted(names - set(NAMES))
    if unknown:
        raise DataError(f"--allow-leak {unknown[0]}: there is no such leak; the names are {', '.join(NAMES)}")
    findings = check(split, candidates=candidates)
    for finding in findings:
        if finding.severity == "error" and finding.name not in names:
            raise LeakError(
                f"{split.train.name}: {finding.name}: {finding.message}; or accept it in every result with "
                f"--allow-leak {finding.name} (allow_leaks=['{finding.name}'])"
            )
        log.info("%s: %s: %s", split.train.name, finding.name, finding.message)
    return [finding.to_dict() | {"allowed": finding.severity == "error"} for finding in findings]


def consecutive_ids(split: Split) -> Finding | None:
    """Ids that were given out along the histories, so that the next item is the next number.

    Steps that several users took do not count: a series is watched in order by many.
    """
    events = split.train.events
    numbers = events[ITEM].cast(pl.Int64, strict=False)
    if numbers.null_count() > len(numbers) // 2:
        return None
    steps = pl.DataFrame({USER: events[USER], "to": numbers}).with_columns(
        at=pl.col("to").shift(1), same=pl.col(USER) == pl.col(USER).shift(1)
    )
    steps = steps.filter(pl.col("same") & pl.col("at").is_not_null() & pl.col("to").is_not_null())
    next_number = steps.filter(pl.col("to") == pl.col("at") + 1)
    alone = next_number.group_by("to").agg(users=pl.col(USER).n_unique()).filter(pl.col("users") == 1)
    share = alone.height / steps.height if alone.height >= LEAST_STEPS else 0.0
    return _finding(
        "consecutive-ids",
        share if share > NUMBERED / 5 else 0.0,
        bound=NUMBERED,
        message=f"{share:.1%} of steps go from item n to n + 1 as nobody else does, so ids tell the order; "
        "number the items anew at random",
    )


def repeated_last_item(split: Split) -> Finding | None:
    """Answers that are the last item of their history: normal in a shop, a broken log elsewhere."""
    first = split.test.answers.unique(USER, keep="first", maintain_order=True).select(USER, answer=ITEM)
    share = _share(_last_events(split.test).join(first, on=USER), pl.col(ITEM) == pl.col("answer"))
    normal = split.train.repeats_are_normal
    return _finding(
        "repeated-last-item",
        share,
        bound=1.0 if normal else REPEATED,
        message=f"{share:.1%} of answers repeat the last item of the history; {_without_repeats(split)}",
    )


def _without_repeats(split: Split) -> str:
    """Say how repeats are dropped: where most are another behavior, such as play after purchase, by that one."""
    last, alike = _last_events(split.test), "drop repeats with --drop-repeats"
    if BEHAVIOR not in last.columns:
        return alike
    first = split.test_answers.unique(USER, keep="first", maintain_order=True).select(
        USER, answer=ITEM, then=BEHAVIOR
    )
    again = last.join(first, on=USER).filter(pl.col(ITEM) == pl.col("answer"))
    others = again.filter(pl.col(BEHAVIOR) != pl.col("then"))[BEHAVIOR].value_counts(sort=True)
    if others["count"].sum() * 2 <= again.height:
        return alike
    return f"most as another behavior; where one is enough, --drop-where \"behavior = '{others[BEHAVIOR][0]}'\""


def duplicate_titles(split: Split) -> Finding | None:
    """Different items under one title: a text model cannot tell them apart, and one may be the other's answer."""
    titles = split.train.catalog.table[TITLE].str.to_lowercase()
    share = float(titles.is_duplicated().mean() or 0)  # type: ignore[arg-type]
    return _finding(
        "duplicate-titles",
        share,
        bound=SAME_TITLE,
        message=f"{share:.1%} of items have the title of another; merge them or make titles tell them apart",
    )


def tied_timestamps(split: Split) -> Finding | None:
    """Answers that happened at the very time of the event before: which came first is the log's row order.

    A warning only: row order is stable here, so results repeat, and baskets and bulk ratings are like that.
    """
    if split.train.order_only or split.test_answers.is_empty():
        return None
    times = split.test_answers.group_by(USER).agg(pl.col(TIME).min().alias("answer"))
    queries = _last_events(split.test).join(times, on=USER)
    share = _share(queries, pl.col(TIME) == pl.col("answer"))
    if share <= TIED:
        return None
    return _finding(
        "tied-timestamps",
        share,
        bound=1.0,
        message=f"{round(share * queries.height):,} of {queries.height:,} answers ({share:.1%}) have the time of "
        f"the event before them, so the order of the two is the log's row order{_shared_order(split.train)}; "
        "consider a per-session split",
    )


def _shared_order(train: Dataset) -> str:
    """Say where users share the row order of their ties: a model then learns how the log was written."""
    order = tie_order(train.events, train.catalog.codes(train.events[ITEM]))
    if order is None or not order.is_systematic:
        return ""
    return (
        f", which users share ({order.share:.0%} of tied steps go the way most go between their two items, by "
        f"chance {order.by_chance:.0%}): a model learns the order of the rows, not of choices"
    )


def sorted_rows(split: Split) -> Finding | None:
    """A log without times whose rows are sorted by something else: what comes next there came next for nobody."""
    said = next((step.note for step in split.train.steps if step.name == STEP), "")
    return _finding("sorted-rows", float(bool(said)), bound=1.0, message=said)


def answers_in_train(split: Split) -> Finding | None:
    """Answers that are trained on: the same event, or the same user and item where users do not come back.

    Where the strategy keeps users or items out of train, any answer's user or item in train counts.
    """
    strategy = NAMED_SPLITS.get(strategy_of(split.name))
    disjoint = None if strategy is None else strategy.disjoint
    keys = [USER, ITEM, *([TIME] if split.train.repeats_are_normal else [])] if disjoint is None else [disjoint]
    if split.test_answers.is_empty() or (split.train.order_only and TIME in keys):
        return None
    train = split.train.positive_events.select(keys).unique()
    answers = split.test_answers.select(keys)
    again = answers.join(train, on=keys, how="semi", nulls_equal=True).height
    share = again / max(answers.height, 1)
    return _finding(
        "test-in-train",
        share,
        bound=TRAINED_ON if disjoint is None else NEVER,
        message=f"{share:.1%} of answers ({' and '.join(keys)}) are trained on as well; remove repeated events "
        "before splitting",
    )


def future_in_train(split: Split) -> Finding | None:
    """Training events that are later than the user's answer, or than any, as the strategy promises."""
    strategy = NAMED_SPLITS.get(strategy_of(split.name))
    time_order = "per_user" if strategy is None else strategy.time_order
    if split.train.order_only or split.test_answers.is_empty() or time_order == "none":
        return None
    answers = split.test_answers.group_by(USER).agg(pl.col(TIME).min().alias("answer"))
    latest = split.train.events.group_by(USER).agg(pl.col(TIME).max().alias("latest"))
    share = _share(answers.join(latest, on=USER), pl.col("latest") > pl.col("answer"))
    if time_order == "global" and answers.height:
        newest, first = split.train.events[TIME].max(), answers["answer"].min()
        share = max(share, float(newest >= first))  # type: ignore[operator]
    return _finding(
        "future-in-train",
        share,
        bound=NEVER,
        message=f"{share:.1%} of test users have training events later than their answer; split again by time",
    )


def seeded_candidates(fold: Fold, candidates: Candidates) -> Finding | None:
    """Candidate lists that give the answer away: it has a fixed position, or the others follow from it.

    Lists whose other items are the same for all users with one answer, but differ between answers, were drawn
    with a generator seeded by the answer.
    """
    answers = dict(fold.answers.group_by(USER).agg(pl.col(ITEM).first()).iter_rows())
    lists = [(answers[user], list(items)) for user, items in candidates.items() if user in answers]
    positions = [items.index(answer) for answer, items in lists if answer in items and len(items) > 1]
    enough = len(positions) >= LEAST_LISTS
    fixed = max(positions.count(position) for position in set(positions)) / len(positions) if enough else 0.0
    by_chance = 3 / min((len(items) for _, items in lists if items), default=1)
    others: dict[str, list[frozenset[str]]] = {}
    for answer, items in lists:
        others.setdefault(answer, []).append(frozenset(items) - {answer})
    several = [sets for sets in others.values() if len(sets) > 1]
    same = sum(len(set(sets)) == 1 for sets in several) / len(several) if several else 0.0
    distinct = len({negatives for sets in others.values() for negatives in sets})
    seeded = same if distinct > 1 else 0.0
    share = max(fixed if fixed > max(by_chance, 0.2) else 0.0, seeded)
    return _finding(
        "seeded-candidates",
        share,
        bound=0.5,
        message=f"{share:.0%} of candidate lists give their answer away by its position or by the other items; "
        "draw them without looking at the answer",
    )


GUARDS: Mapping[str, Callable[[Split], Finding | None]] = {
    "consecutive-ids": consecutive_ids,
    "repeated-last-item": repeated_last_item,
    "duplicate-titles": duplicate_titles,
    "tied-timestamps": tied_timestamps,
    "sorted-rows": sorted_rows,
    "test-in-train": answers_in_train,
    "future-in-train": future_in_train,
}
NAMES = (*GUARDS, "seeded-candidates")


def _finding(name: str, share: float, *, bound: float, message: str) -> Finding | None:
    if share <= 0:
        return None
    return Finding(name, "error" if share > bound else "warning", round(share, 6), message)


def _share(table: pl.DataFrame, condition: pl.Expr) -> float:
    if table.is_empty():
        return 0.0
    return int(table.select(condition.fill_null(False).sum()).item()) / table.height


def _last_events(fold: Fold) -> pl.DataFrame:
    """Return the last event of each history that is not empty, with its user."""
    known = fold.histories
    filled = np.flatnonzero(known.lengths() > 0)
    users = pl.Series(USER, known.user_ids, dtype=pl.String).gather(filled)
    return known.events[known.offsets[1:][filled] - 1].with_columns(users)
