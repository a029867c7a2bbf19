"""Say which events were right answers, and how many answers the rule for that takes away."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from llmrec.data import Split
from llmrec.data.cleaning.positives import ALL, DEFAULT, negative_by_default, positives_of
from llmrec.data.columns import USER
from llmrec.data.splits.parts import TEST, VALID
from llmrec.evaluation.results import FoldName, PositiveAnswers

_ANSWERS: dict[FoldName, str] = {"test": "test answers", "valid": "validation answers"}


def positive_answers(split: Split, fold: FoldName) -> PositiveAnswers:
    """Return the rule of the data, and the answers of a fold with it and, of the test fold, without."""
    decided, if_all = split.data.positive, split.if_all if fold == "test" else None
    held_out, part = (split.test, TEST) if fold == "test" else (split.valid, VALID)
    by_default = 0
    if decided.rule != DEFAULT:
        # Of all events: the scale of the ratings is that of the whole column.
        events = split.data.events
        negative = negative_by_default(events, label=split.data.name) & positives_of(events)
        users = pl.Series(held_out.histories.user_ids, dtype=pl.String)
        by_default = int((negative & events[USER].is_in(users.implode())).filter(split.parts == part).sum())
    return PositiveAnswers(
        **decided.to_dict(),
        answers=held_out.answers.height,
        answers_if_all=None if if_all is None else if_all.answers,
        negatives_if_all=None if if_all is None else if_all.negatives,
        negatives_by_default=by_default,
    )


def positive_notes(split: Split, fold: FoldName) -> Iterator[str]:
    """Say it in sentences; nothing where every event is a positive target by default."""
    decided, answers, named = split.data.positive, positive_answers(split, fold), _ANSWERS[fold]
    if str(decided):
        yield f"Positive targets: {decided}."
    if decided.rule == ALL:
        if answers.negatives_by_default:
            yield (
                f"{answers.negatives_by_default:,} of {answers.answers:,} {named} would be none by default, "
                "and count as right answers here (positive: all)."
            )
        return
    if answers.answers_if_all:
        share = (answers.negatives_if_all or 0) / answers.answers_if_all
        yield (
            f"If every event counted, {answers.negatives_if_all:,} of {answers.answers_if_all:,} {named} "
            f"({share:.1%}) would be no positive targets; none of the {answers.answers:,} asked for here is."
        )
    if answers.negatives_by_default:
        yield (
            f"{answers.negatives_by_default:,} of {answers.answers:,} {named} meet {decided.rule}, but would "
            "be none by default."
        )
