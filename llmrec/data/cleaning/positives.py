"""Settle which events are positive targets: what was sent back, disliked or not rated is no right answer."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from llmrec.data.cleaning.behaviors import strengths_of
from llmrec.data.cleaning.conditions import Condition, events_that_meet, require_condition
from llmrec.data.cleaning.outcome_columns import negative_outcomes, unclear_outcomes
from llmrec.data.columns import BEHAVIOR, POSITIVE, STRENGTH
from llmrec.errors import DataError

DEFAULT, ALL = "default", "all"
# Of five stars, one or less says that somebody would rather not have chosen the item.
FIVE_STARS, ONE_STAR = 5.0, 1.0
# Reasons that say of the whole log what a few of its events would not: its scale of ratings, its words.
_LOW_STARS, _BEHAVIOR = "rating of at most 1 of 5", "behavior "
# The least that speaks for an item on another scale, as a part of its highest rating, in an example.
_UPPER_PART = 0.7
_RATING = re.compile(r"(rating|score|stars|vote)s?$", re.IGNORECASE)


@dataclass(frozen=True)
class PositiveTargets:
    """The rule that says which events of a log are positive targets, and how many are not.

    ``rule``: ``default``, ``all`` or a condition. ``events``: how many the log has. ``negatives``: how many of
    them are no positive targets, by reason; with ``all`` those that would be none by default. ``note``: what else
    is worth knowing, such as a scale of ratings that is not known.
    """

    rule: str = DEFAULT
    events: int = 0
    negatives: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    @property
    def n_negatives(self) -> int:
        """How many events are no positive targets, or with ``all`` would be none by default."""
        return sum(self.negatives.values())

    @property
    def reasons(self) -> str:
        """Each reason with its count."""
        return ", ".join(f"{reason}: {count:,}" for reason, count in self.negatives.items())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for a manifest or a report."""
        return {
            "rule": self.rule,
            "events": self.events,
            "negatives": dict(self.negatives),
            "note": self.note,
        }

    def __str__(self) -> str:
        """Say it in one line; empty where nothing was decided."""
        count, total = self.n_negatives, self.events
        if self.rule == ALL:
            others = f", also {count:,} that are none by default ({self.reasons})" if count else ""
            return f"all {total:,} events are positive targets (--positive all){others}"
        if count:
            text = (
                f"{count:,} of {total:,} events are no positive targets ({self.reasons}): they are read in "
                "histories, but are neither trained on as the next item nor right answers"
            )
            text += "; --positive says which events are" if self.rule == DEFAULT else ""
        else:
            text = "" if self.rule == DEFAULT else f"all {total:,} events meet {self.rule}"
        return "; ".join(part for part in (text, self.note) if part)


ALL_BY_DEFAULT = PositiveTargets()


def settle_positives(
    events: pl.DataFrame, rule: Condition = DEFAULT, *, label: str
) -> tuple[pl.DataFrame, PositiveTargets]:
    """Mark the events that are positive targets, in the column POSITIVE where some are none.

    ``rule``: ``all``, a condition that positive targets meet, or ``default``: all but behaviors of negative
    strength, negative quantities, ratings of 0 or less beside others above, ratings of at most 1 where 5 is the
    highest, those of which a status or flag says the same (see ``outcome_columns``), and those for which the log
    has POSITIVE as false. Raises DataError where no event is one.
    """
    require_condition(rule, "positive")
    if isinstance(rule, str) and rule.strip().lower() in {DEFAULT, ALL}:
        rule = rule.strip().lower()
    if isinstance(rule, str) and rule in {DEFAULT, ALL}:
        negatives, note = _by_default(events, label)
        counts = {reason: int(marks.sum()) for reason, marks in negatives.items()}
        decided = PositiveTargets(rule, events.height, counts, note if rule == DEFAULT else "")
        if rule == ALL:
            return _without(events), decided
        positive = ~_any(negatives, events.height)
    else:
        positive = events_that_meet(rule, events, label=label, purpose="take as positive targets the events where")
        unmet = int((~positive).sum())
        decided = PositiveTargets(str(rule), events.height, {f"{rule} not met": unmet} if unmet else {})
    if events.height and not positive.any():
        raise DataError(
            f"{label}: no event is a positive target ({decided.reasons}), so there is nothing to recommend; say "
            'which are with --positive "rating >= 4", or count all with --positive all (positive="all")'
        )
    marked = _without(events) if positive.all() else events.with_columns(positive.alias(POSITIVE))
    return marked, decided


def negative_by_default(events: pl.DataFrame, *, label: str) -> pl.Series:
    """Mark the events of a cleaned log that are no positive targets by default."""
    return _any(_by_default(events, label)[0], events.height)


def positives_as_settled(events: pl.DataFrame, settled: Mapping[str, Any], *, label: str) -> pl.Series:
    """Mark the positive targets among a few further events of a log; what they do not say counts for them.

    ``settled``: how those of the log were, as of ``PositiveTargets.to_dict``. By default a rating of 1 is none
    where the log has five stars, whatever other ratings these events have.
    """
    rule = str(settled.get("rule", DEFAULT))
    if rule == DEFAULT:
        before = list(settled.get("negatives", {}))
        return ~(negative_by_default(events, label=label) | _any(_as_before(events, before), events.height))
    everything = pl.repeat(True, events.height, dtype=pl.Boolean, eager=True)
    try:
        return everything if rule == ALL else events_that_meet(rule, events, label=label)
    except DataError:  # it is about columns that these events do not have, or was a polars expression
        return everything


def _as_before(events: pl.DataFrame, reasons: list[str]) -> dict[str, pl.Series]:
    """Return which events are no positive targets for one of the reasons that a log had for others."""
    conditions = {_LOW_STARS: pl.col("rating") <= ONE_STAR} if "rating" in events.columns else {}
    if BEHAVIOR in events.columns:
        words = {reason for reason in reasons if reason.startswith(_BEHAVIOR)}
        conditions |= {word: pl.col(BEHAVIOR).cast(pl.String) == word.removeprefix(_BEHAVIOR) for word in words}
    return {
        reason: events.select(condition.fill_null(False)).to_series()
        for reason, condition in conditions.items()
        if reason in reasons
    }


def positives_of(events: pl.DataFrame) -> pl.Series:
    """Return whether each event is a positive target, true where the log does not say."""
    if POSITIVE in events.columns:
        return events[POSITIVE].fill_null(True)
    return pl.repeat(True, events.height, dtype=pl.Boolean, eager=True).alias(POSITIVE)


def _by_default(events: pl.DataFrame, label: str) -> tuple[dict[str, pl.Series], str]:
    """Return by reason which events are no positive targets, each with its first reason; and a note."""
    ratings, note = _low_ratings(events)
    others = (*negative_outcomes(events), *ratings)
    note = "; ".join(part for part in (note, *unclear_outcomes(events)) if part)
    negatives: dict[str, pl.Series] = {}
    earlier = pl.repeat(False, events.height, dtype=pl.Boolean, eager=True)
    for reason, condition in (*_by_log(events, label), *_by_behavior(events), *_by_quantity(events), *others):
        marks = events.select(condition.fill_null(False).alias(reason)).to_series() & ~earlier
        if marks.any():
            negatives[reason] = marks
            earlier = earlier | marks
    return negatives, note


def _by_log(events: pl.DataFrame, label: str) -> Iterator[tuple[str, pl.Expr]]:
    if POSITIVE not in events.columns:
        return
    if events.schema[POSITIVE] != pl.Boolean:
        raise DataError(
            f"{label}: the column {POSITIVE} says which events are positive targets, but is not true or false; "
            f'rename it, or say which are with --positive "{POSITIVE} = 1"'
        )
    yield f"{POSITIVE} false", ~pl.col(POSITIVE)


def _by_behavior(events: pl.DataFrame) -> Iterator[tuple[str, pl.Expr]]:
    if BEHAVIOR not in events.columns:
        return
    words = events.select(pl.col(BEHAVIOR).cast(pl.String).unique().drop_nulls().sort()).to_series().to_list()
    if STRENGTH in events.columns:  # those of --strength, too
        negative = events.filter(pl.col(STRENGTH) < 0)[BEHAVIOR].cast(pl.String).unique().to_list()
    else:
        negative = [word for word, strength in strengths_of(words).items() if (strength or 0) < 0]
    for word in words:
        if word in negative:
            yield f"{_BEHAVIOR}{word}", pl.col(BEHAVIOR).cast(pl.String) == word


def _by_quantity(events: pl.DataFrame) -> Iterator[tuple[str, pl.Expr]]:
    if "quantity" in events.columns:
        yield "quantity below 0", pl.col("quantity") < 0


def _low_ratings(events: pl.DataFrame) -> tuple[list[tuple[str, pl.Expr]], str]:
    """Return the conditions for ratings that say dislike, or nothing, by the scale of the whole column."""
    if "rating" not in events.columns:
        return [], _unnamed_ratings(events)
    known = events["rating"].drop_nulls()
    if not len(known):
        return [], ""
    lowest, highest = (
        float(value) for value in known.to_frame().select(pl.min("rating"), lo=pl.max("rating")).row(0)
    )
    if highest <= 0:
        return (
            [],
            f"no rating is above 0 ({lowest:g} to {highest:g}): every event counts" if lowest < highest else "",
        )
    rating = pl.col("rating")
    conditions = [("rating below 0", rating < 0), ("rating 0 beside higher ones", rating == 0)]
    # In Book-Crossing, and where recipes and books are rated up to five stars, 0 is no rating.
    mostly = highest > 1 and 2 * int((known == 0).sum()) > len(known)
    not_rated = "most ratings are 0: where that says not rated, --positive all counts them" if mostly else ""
    if highest == FIVE_STARS:
        conditions.append((_LOW_STARS, rating <= ONE_STAR))
        return conditions, not_rated
    several = lowest < highest and not (lowest == 0 and highest == 1)
    unknown = f"ratings up to {highest:g} are no five stars: each above 0 is a positive target"
    upper = math.ceil(_UPPER_PART * highest) if highest > 1 else highest
    scale = f'{unknown}, say which are, for example with --positive "rating >= {upper:g}"' if several else ""
    return conditions, "; ".join(part for part in (not_rated, scale) if part)


def _unnamed_ratings(events: pl.DataFrame) -> str:
    """Say which column could hold ratings under a name of its own: low ones count there."""
    numbers = [name for name, kind in events.schema.items() if kind.is_numeric() and _RATING.search(name)]
    if not numbers:
        return ""
    return f"{numbers[0]} could be a rating, and low ones count; if it is one: --column rating={numbers[0]}"


def _any(negatives: Mapping[str, pl.Series], height: int) -> pl.Series:
    marks = pl.repeat(False, height, dtype=pl.Boolean, eager=True)
    for one in negatives.values():
        marks = marks | one
    return marks


def _without(events: pl.DataFrame) -> pl.DataFrame:
    return events.drop(POSITIVE, strict=False)
