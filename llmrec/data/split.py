"""Cut a dataset into what a model may see and what it must guess."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from llmrec.data.columns import ITEM, USER
from llmrec.data.dataset import Dataset
from llmrec.data.histories import Histories, offsets_of
from llmrec.data.tables import hash_tables
from llmrec.errors import DataError
from llmrec.resources.cache import appearing

FORMAT = 1

# What an event is in a split.
TRAIN, VALID, TEST = 0, 1, 2

# Shorter histories stay in train whole.
LEAST_EVENTS = 3


@dataclass(frozen=True, eq=False)
class Fold:
    """Questions and answers: the histories a model is given, and what really came next.

    ``answers`` has the columns ``user_id, item_id``; a user may have several, or none.
    """

    histories: Histories
    answers: pl.DataFrame


@dataclass(frozen=True, eq=False)
class Split:
    """A training set and two folds. ``name`` says how it was cut.

    ``parts`` says for each event of the data, in its order, which it is: int8, 0 train, 1 validation, 2 test.
    """

    name: str
    train: Dataset
    valid: Fold
    test: Fold
    parts: npt.NDArray[np.int8]

    @classmethod
    def leave_last_out(cls, data: Dataset) -> Split:
        """Hold out each user's last event for test and the one before for validation.

        Users with fewer than three events stay in train whole. Ties in time keep the log's order. The test
        histories contain the validation event. Raises DataError if no user has three events.
        """
        starts = _user_starts(data.events)
        lengths = np.diff(starts)
        held = np.repeat(lengths >= LEAST_EVENTS, lengths)
        if not held.any():
            raise DataError(
                f"{data.name}: no user has {LEAST_EVENTS} events, so there is nothing to hold out; add events"
            )
        from_end = np.repeat(starts[1:], lengths) - 1 - np.arange(data.events.height)
        parts = np.full(data.events.height, TRAIN, dtype=np.int8)
        parts[held & (from_end == 1)] = VALID
        parts[held & (from_end == 0)] = TEST
        return cls.from_parts("leave-last-out", data, parts)

    @classmethod
    def from_parts(cls, name: str, data: Dataset, parts: npt.NDArray[np.int8]) -> Split:
        """Cut by a part per event. A fold's history is all that its user did before the first answer."""
        valid, test = (_fold(data.events, parts, part) for part in (VALID, TEST))
        return cls(name, data.with_events(data.events.filter(parts == TRAIN)), valid, test, parts)

    @cached_property
    def hash(self) -> str:
        """sha256 over the split's name, the training data, and both folds' questions and answers."""
        digest = hashlib.sha256(f"{self.name}:{self.train.fingerprint}".encode())
        for fold in (self.valid, self.test):
            lengths = pl.DataFrame({"length": fold.histories.lengths()})
            tables = [fold.answers.select(USER, ITEM), fold.histories.events.select(ITEM), lengths]
            digest.update(hash_tables(tables).encode())
        return digest.hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write ``split.json`` and ``parts.parquet``, but not the data. Raises DataError if it exists."""
        path = Path(folder)
        if path.exists():
            raise DataError(f"{path} exists already; choose another folder or remove it")
        facts = {"format": FORMAT, "name": self.name, "hash": self.hash, "events": len(self.parts)}
        with appearing(path) as temporary:
            pl.DataFrame({"part": self.parts}).write_parquet(temporary / "parts.parquet")
            (temporary / "split.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, data: Dataset) -> Split:
        """Cut ``data`` as a saved split says. Raises DataError if the split was made from other data."""
        path = Path(folder)
        if not (path / "split.json").is_file():
            raise DataError(f"{path} is not a saved split; make one with: llmrec data split DIR")
        try:
            facts = json.loads((path / "split.json").read_text(encoding="utf-8"))
            name, expected, newest = str(facts["name"]), str(facts["hash"]), int(facts["format"])
            parts = pl.read_parquet(path / "parts.parquet")["part"].to_numpy().astype(np.int8)
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path} is damaged ({error}); split the data again") from error
        if newest > FORMAT:
            raise DataError(f"{path} has format {newest}, newer than {FORMAT}; upgrade llmrec")
        split = cls.from_parts(name, data, parts) if len(parts) == data.events.height else None
        if split is None or split.hash != expected:
            raise DataError(f"{path} was made from other data than '{data.name}'; split it again")
        return split


def _user_starts(events: pl.DataFrame) -> npt.NDArray[np.int64]:
    """Return where each user's events begin, and the end. Raises DataError if they are not together."""
    runs = events[USER].rle().struct.unnest()
    if runs["value"].n_unique() != runs.height:
        raise DataError("the events of a user are not together; build the data with Dataset.from_tables")
    return offsets_of(runs["len"].to_numpy())


def _fold(events: pl.DataFrame, parts: npt.NDArray[np.int8], part: int) -> Fold:
    """Take one part's events as answers; the questions are their users' events up to the first of them."""
    starts = _user_starts(events)
    lengths = np.diff(starts)
    asked = parts == part
    so_far = offsets_of(asked)
    answers_of_user = np.diff(so_far[starts])
    before = so_far[1:] == np.repeat(so_far[starts[:-1]], lengths)
    kept = before & np.repeat(answers_of_user > 0, lengths)
    chosen = np.flatnonzero(answers_of_user)
    users = events[USER].gather(starts[chosen])
    counts = np.diff(offsets_of(kept)[starts])[chosen]
    histories = Histories(tuple(users.to_list()), events.filter(kept).drop(USER), offsets_of(counts))
    return Fold(histories, events.filter(asked).select(USER, ITEM))
