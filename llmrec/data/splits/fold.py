"""What is asked after a split: histories, and what really came next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Int64s
from llmrec.data.columns import USER
from llmrec.data.histories import Histories
from llmrec.errors import DataError


@dataclass(frozen=True, eq=False)
class Fold:
    """Queries and answers: the histories a model is given, and what really came next.

    ``answers`` has the columns ``user_id, item_id``; a user may have several, or none. ``events``, where the fold
    was cut out of a log, are the fold's events from the first answer of each user on, with all their fields: the
    answers, and between or after them what is no positive target.

    >>> from llmrec.data import Split, toy_films
    >>> fold = Split.leave_last_out(toy_films(n_users=12)).test
    >>> len(fold.histories), fold.answers.columns
    (12, ['user_id', 'item_id'])
    """

    histories: Histories
    answers: pl.DataFrame
    events: pl.DataFrame | None = None

    def take(self, positions: Int64s) -> Fold:
        """Return the fold of the users at ``positions`` alone."""
        histories = self.histories.take(positions)
        mask = pl.col(USER).is_in(list(histories.user_ids))
        return Fold(
            histories, self.answers.filter(mask), None if self.events is None else self.events.filter(mask)
        )

    def followed(self) -> tuple[Histories, Bools]:
        """Append the fold's events to the histories. Returns these, and which of their events are of the fold.

        Raises DataError for a fold without events.
        """
        if self.events is None:
            raise DataError("this fold has only the items of its answers, not their events")
        known = self.histories
        owners = pl.Series(USER, known.user_ids, dtype=pl.String).gather(
            np.repeat(np.arange(len(known)), known.lengths())
        )
        parts = [known.events.with_columns(owners, answer=False), self.events.with_columns(answer=True)]
        both = Histories.from_events(pl.concat(parts, how="diagonal"), users=known.user_ids)
        return Histories(both.user_ids, both.events.drop("answer"), both.offsets), both.events["answer"].to_numpy()
