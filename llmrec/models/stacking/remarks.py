"""What a stack says of networks that learned less than they could: too little time, or next to nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llmrec.models.base import Recommender

if TYPE_CHECKING:
    from llmrec.models.stacking.weighing import MemberReport


def remarks(members: Sequence[Recommender], reports: Sequence[MemberReport]) -> Iterator[str]:
    """Yield a line for each network that was stopped for time, or predicts worse than popularity by itself."""
    of_popularity = [report.ndcg for one, report in zip(members, reports, strict=True) if one.kind == "popularity"]
    for member, report in zip(members, reports, strict=True):
        if not member.scores_are_logits:
            continue
        minutes = member.recipe.train.max_minutes
        if minutes is not None and stopped_for_time(member):
            epoch = member.train_log[-1]["epoch"]
            yield (
                f"{report.name} was stopped by train.max_minutes={minutes:g} in epoch {epoch}, before nothing "
                "improved any more: more minutes in its line of stack.members may help it, and the stack"
            )
        if of_popularity and report.ndcg < of_popularity[0]:
            yield (
                f"{report.name} alone is worse than popularity (NDCG@10 {report.ndcg:.3f}, "
                f"{of_popularity[0]:.3f}): it learned next to nothing of this log"
            )


def stopped_for_time(member: Recommender) -> bool:
    """Whether ``train.max_minutes`` ended a training that patience would not have ended there."""
    settings, rows = member.recipe.train, member.train_log
    if settings.max_minutes is None or not rows or sum(row["seconds"] for row in rows) < 60 * settings.max_minutes:
        return False
    from llmrec.training.checkpoints import best_row
    from llmrec.training.schedule import patience_is_over

    return not patience_is_over(settings, rows, best_row(rows))
