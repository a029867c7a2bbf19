"""Settle which events are positive targets: what was sent back, disliked or not rated is no right answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from llmrec.data.cleaning.behaviors import strengths_of
from llmrec.data.cleaning.conditions import Condition, events_that_meet, require_condition
from llmrec.data.cleaning.outcome_columns import negative_outcomes, unclear_outcomes
from llmrec.data.cleaning.rating_scale import low_ratings, note_on_ratings, rating_scale, scale_by_reasons
from llmrec.data.columns import BEHAVIOR, POSITIVE, STRENGTH
from llmrec.errors import DataError

DEFAULT, ALL = "default", "all"
_BEHAVIOR = "behavior "


@dataclass(frozen=True)
class PositiveTargets:
    """The rule that says which events of a log are positive targets, and how many are not.

    ``rule``: ``default``, ``all`` or a condition. ``events``: how many the log has. ``negatives``: how many of
    them are no positive targets, by reason; with ``all`` those that would be none by default. ``note``: what else
    is worth knowing, such as a scale of ratings that is not known. ``ratings``: see ``rating_scale``.
    """

    rule: str = DEFAULT
    events: int = 0
    negatives: Mapping[str, int] = field(default_factory=dict)
    note: str = ""
    ratings: Mapping[str, float] = field(default_factory=dict)

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
            "ratings": dict(self.ratings),
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
    ratings = rating_scale(events, by_default=isinstance(rule, str) and rule == DEFAULT)
    if isinstance(rule, str) and rule in {DEFAULT, ALL}:
        negatives, note = _by_default(events, label)
        counts = {reason: int(marks.sum()) for reason, marks in negatives.items()}
        decided = PositiveTargets(rule, events.height, counts, note if rule == DEFAULT else "", ratings)
        if rule == ALL:
            return _without(events), decided
        positive = ~_any(negatives, events.height)
    else:
        positive = events_that_meet(rule, events, label=label, purpose="take as positive targets the events where")
        unmet = int((~positive).sum())
        negative = {f"{rule} not met": unmet} if unmet else {}
        decided = PositiveTargets(str(rule), events.height, negative, ratings=ratings)
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

    ``settled``: how those of the log were, as of ``PositiveTargets.to_dict``. By default a rating is read by the
    scale of the log, whatever other ratings these events have.
    """
    rule = str(settled.get("rule", DEFAULT))
    if rule == DEFAULT:
        negatives = _by_default(events, label, scale=_scale_of(settled))[0] | _by_words(events, settled)
        return ~_any(negatives, events.height)
    everything = pl.repeat(True, events.height, dtype=pl.Boolean, eager=True)
    try:
        return everything if rule == ALL else events_that_meet(rule, events, label=label)
    except DataError:  # it is about columns that these events do not have, or was a polars expression
        return everything


def settled_otherwise(now: PositiveTargets, before: Mapping[str, Any]) -> str:
    """Say how the rule or the ratings by which events are positive targets differ from ``before``; or nothing.

    ``before``: as of ``PositiveTargets.to_dict``.
    """
    rule, above = str(before.get("rule", DEFAULT)), (_scale_of(before) or {}).get("positive_above")
    as_there = f"rating > {above or 0:g}"
    if now.rule != rule:
        return "" if (rule, now.rule) == (DEFAULT, as_there) else f"--positive {now.rule} here and {rule} there"
    here = now.ratings.get("positive_above")
    if above is None or here is None or above == here:
        return ""
    return (
        f"ratings above {here:g} are positive targets here and those above {above:g} there "
        f'(--positive "{as_there}")'
    )


def _scale_of(settled: Mapping[str, Any]) -> Mapping[str, float] | None:
    """Return the scale of a log's ratings; None where it has none, or was settled before scales were recorded."""
    return settled.get("ratings") or scale_by_reasons(settled.get("negatives", {}))


def _by_words(events: pl.DataFrame, settled: Mapping[str, Any]) -> dict[str, pl.Series]:
    """Return which events have a behavior that was no positive target in a log, by its name there."""
    if BEHAVIOR not in events.columns:
        return {}
    words = [reason for reason in settled.get("negatives", {}) if reason.startswith(_BEHAVIOR)]
    behaviors = events[BEHAVIOR].cast(pl.String)
    return {word: (behaviors == word.removeprefix(_BEHAVIOR)).fill_null(False) for word in words}


def positives_of(events: pl.DataFrame) -> pl.Series:
    """Return whether each event is a positive target, true where the log does not say."""
    if POSITIVE in events.columns:
        return events[POSITIVE].fill_null(True)
    return pl.repeat(True, events.height, dtype=pl.Boolean, eager=True).alias(POSITIVE)


def _by_default(
    events: pl.DataFrame, label: str, *, scale: Mapping[str, float] | None = None
) -> tuple[dict[str, pl.Series], str]:
    """Return by reason which events are no positive targets, each with its first reason; and a note.

    ``scale``: that of the ratings, by default as these events have it.
    """
    scale = rating_scale(events) if scale is None else scale
    ratings, note = low_ratings(events, scale), note_on_ratings(events, scale)
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


def _any(negatives: Mapping[str, pl.Series], height: int) -> pl.Series:
    marks = pl.repeat(False, height, dtype=pl.Boolean, eager=True)
    for one in negatives.values():
        marks = marks | one
    return marks


def _without(events: pl.DataFrame) -> pl.DataFrame:
    return events.drop(POSITIVE, strict=False)
