"""Say which events were right answers, and how many answers the rule for that takes away."""

from __future__ import annotations

from collections.abc import Iterator

from llmrec.data import Split
from llmrec.data.cleaning.positives import ALL, DEFAULT, negative_by_default, positives_of
from llmrec.data.splits.parts import TEST
from llmrec.evaluation.results import PositiveAnswers


def positive_answers(split: Split) -> PositiveAnswers:
    """Return the rule of the data, and the test answers with it and without."""
    decided, if_all = split.data.positive, split.if_all
    by_default = 0
    if decided.rule != DEFAULT:
        # Of all events: the scale of the ratings is that of the whole column.
        events = split.data.events
        negative = negative_by_default(events, label=split.data.name) & positives_of(events)
        by_default = int(negative.filter(split.parts == TEST).sum())
    return PositiveAnswers(
        **decided.to_dict(),
        answers=split.test_answers.height,
        answers_if_all=None if if_all is None else if_all.answers,
        negatives_if_all=None if if_all is None else if_all.negatives,
        negatives_by_default=by_default,
    )


def positive_notes(split: Split) -> Iterator[str]:
    """Say it in sentences; nothing where every event is a positive target by default."""
    decided, answers = split.data.positive, positive_answers(split)
    if str(decided):
        yield f"Positive targets: {decided}."
    if decided.rule == ALL:
        if answers.negatives_by_default:
            yield (
                f"{answers.negatives_by_default:,} of {answers.answers:,} test answers would be none by default, "
                "and count as right answers here (positive: all)."
            )
        return
    if answers.answers_if_all:
        share = (answers.negatives_if_all or 0) / answers.answers_if_all
        yield (
            f"If every event counted, {answers.negatives_if_all:,} of {answers.answers_if_all:,} test answers "
            f"({share:.1%}) would be no positive targets; none of the {answers.answers:,} asked for here is."
        )
    if answers.negatives_by_default:
        yield (
            f"{answers.negatives_by_default:,} of {answers.answers:,} test answers meet {decided.rule}, but would "
            "be none by default."
        )
