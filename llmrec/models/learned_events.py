"""Which events the weights of a run have learned, and which of them a split holds out now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import polars as pl

from llmrec.arrays import Int64s
from llmrec.artifact import SPLIT
from llmrec.data import Histories, Split
from llmrec.data.columns import ITEM, USER
from llmrec.data.histories import offsets_of
from llmrec.data.splits.parts import TRAIN
from llmrec.data.splits.split import LEARNED, PART, PARTS
from llmrec.errors import ArtifactError


class FirstLearned(NamedTuple):
    """How many of each user's first training events were learned, and how many users have theirs, or others."""

    n_events: dict[str, int]
    unchanged: int
    changed: int


@dataclass(frozen=True, eq=False)
class LearnedEvents:
    """The events of each user that a run was trained on, and those before it that it went on from.

    >>> from llmrec.data import Dataset
    >>> learned = LearnedEvents(Histories.of({"ann": ["x", "y"]}))
    >>> log = Dataset.from_tables({"user_id": ["ann"] * 3, "item_id": ["x", "y", "y"]})
    >>> learned.marked(Split.leave_last_out(log)).learned.tolist()
    [False, True, False]
    """

    histories: Histories

    @classmethod
    def of(cls, run: Path, histories: Histories) -> Self:
        """Take those of the histories that a run knows: all, where it holds no split.

        Raises ArtifactError for a split of others.
        """
        path = run / SPLIT / PARTS
        if not path.is_file():
            return cls(histories)
        table = pl.read_parquet(path, glob=False)
        if table.height != histories.events.height:
            raise ArtifactError(f"{path} is not of the run's histories; restore it or train again")
        learned = table[PART].to_numpy() == TRAIN
        if LEARNED in table.columns:
            learned |= table[LEARNED].to_numpy()
        offsets = offsets_of(learned)[histories.offsets]
        return cls(Histories(histories.user_ids, histories.events.filter(learned), offsets))

    def first_of(self, now: Histories) -> FirstLearned:
        """Count how many of each user's first events were learned; none of a user who has others than were.

        A user has what was learned also where less of it is in training now: the rest is held out.
        """
        before, number = self.histories, {user: n for n, user in enumerate(now.user_ids)}
        changed, unchanged, n_events = 0, 0, dict.fromkeys(now.user_ids, 0)
        before_codes, now_codes = _codes_of(before, now)
        for row, (user, n) in enumerate(zip(before.user_ids, before.lengths().tolist(), strict=True)):
            there = number.get(user)
            if there is None or not n:
                continue
            mine = now_codes[now.offsets[there] : now.offsets[there + 1]][:n]
            its = before_codes[before.offsets[row] :][: len(mine)]
            if np.array_equal(its, mine):
                n_events[user], unchanged = len(mine), unchanged + 1
            else:
                changed += 1
        return FirstLearned(n_events, unchanged, changed)

    def marked(self, split: Split) -> Split:
        """Return a split that says which events it holds out although they were learned.

        Those of a user with an item of which more were learned than are in training now, first ones first: events
        that came late to the log, or changed their order, make no difference.
        """
        before, held_out = self.histories, split.parts != TRAIN
        owners = pl.Series(USER, before.user_ids, dtype=pl.String).gather(
            np.repeat(np.arange(len(before)), before.lengths())
        )
        pairs = split.data.events.select(pl.col(USER, ITEM).cast(pl.String))
        wanted = pairs.filter(held_out)
        learned, trained = (
            _n_in(one, wanted) for one in (before.events.select(owners, ITEM), pairs.filter(~held_out))
        )
        earlier = wanted.select(pl.int_range(pl.len()).over(USER, ITEM)).to_series()
        marks = np.zeros(len(held_out), dtype=bool)
        marks[held_out] = (earlier < learned - trained).to_numpy()
        return replace(split, learned=marks if marks.any() else None)


def _n_in(pairs: pl.DataFrame, wanted: pl.DataFrame) -> pl.Series:
    """Count how often each of the ``wanted`` users and items is among some."""
    both = [USER, ITEM]
    counts = pairs.join(wanted, on=both, how="semi").group_by(both).len()
    joined = wanted.join(counts, on=both, how="left", maintain_order="left")
    return joined["len"].fill_null(0).cast(pl.Int64)


def _codes_of(before: Histories, now: Histories) -> tuple[Int64s, Int64s]:
    """Return the items of two sets of histories as numbers, equal where the ids are."""
    both = pl.concat([before.events[ITEM], now.events[ITEM]]).cast(pl.Categorical).to_physical().to_numpy()
    return both[: before.events.height], both[before.events.height :]
