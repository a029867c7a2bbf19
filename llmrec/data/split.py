"""Cut a dataset into what a model may see and what it must guess."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from llmrec.data.columns import ITEM, USER
from llmrec.data.dataset import Dataset
from llmrec.data.histories import Histories


@dataclass(frozen=True, eq=False)
class Fold:
    """Questions and answers: the histories a model is given, and what really came next.

    ``answers`` has the columns ``user_id, item_id``; a user may have several, or none.
    """

    histories: Histories
    answers: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Split:
    """A training set and two folds. ``name`` says how it was cut."""

    name: str
    train: Dataset
    valid: Fold
    test: Fold

    @classmethod
    def leave_last_out(cls, data: Dataset) -> Split:
        """Hold out each user's last event for test and the one before for validation.

        Users with fewer than three events stay in train whole. Ties in time keep the log's order. The test
        histories contain the validation event.
        """
        events = data.events.with_columns(
            _from_end=pl.int_range(pl.len(), dtype=pl.Int64).reverse().over(USER),
            _count=pl.len().over(USER),
        )
        held = pl.col("_count") >= 3

        def part(keep: pl.Expr) -> pl.DataFrame:
            return events.filter(keep).drop("_from_end", "_count")

        def fold(place: int) -> Fold:
            answers = part(held & (pl.col("_from_end") == place))
            users = answers[USER].to_list()
            before = Histories.from_events(part(held & (pl.col("_from_end") > place)), users=users)
            return Fold(before, answers.select(USER, ITEM))

        train = data.with_events(part(~held | (pl.col("_from_end") >= 2)))
        return cls("leave-last-out", train, fold(1), fold(0))

    @cached_property
    def hash(self) -> str:
        """sha256 over the split's name, training data and both folds' answers."""
        digest = hashlib.sha256(self.name.encode())
        digest.update(self.train.fingerprint.encode())
        for fold in (self.valid, self.test):
            for row in fold.answers.iter_rows():
                digest.update("\x1f".join(map(str, row)).encode() + b"\x1e")
        return digest.hexdigest()
