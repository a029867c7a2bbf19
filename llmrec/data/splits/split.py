"""Cut a dataset into what a model may see and what it must guess."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Int8s, Int64s
from llmrec.data.columns import ITEM, USER
from llmrec.data.dataset import Dataset
from llmrec.data.histories import Histories, offsets_of
from llmrec.data.splits import strategies
from llmrec.data.splits.strategies import TEST, TRAIN, VALID, user_starts
from llmrec.errors import DataError
from llmrec.resources.cache import appearing

FORMAT = 1


@dataclass(frozen=True, eq=False)
class Fold:
    """Questions and answers: the histories a model is given, and what really came next.

    ``answers`` has the columns ``user_id, item_id``; a user may have several, or none. ``events``, where the fold
    was cut out of a log, are the same with all their fields.
    """

    histories: Histories
    answers: pl.DataFrame
    events: pl.DataFrame | None = None

    def take(self, places: Int64s) -> Fold:
        """Return the fold of the users at ``places`` alone."""
        histories = self.histories.take(places)
        own = pl.col(USER).is_in(list(histories.user_ids))
        return Fold(histories, self.answers.filter(own), None if self.events is None else self.events.filter(own))

    def followed(self) -> tuple[Histories, Bools]:
        """Put the answers' events behind the histories. Returns these, and which of their events are answers.

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


@dataclass(frozen=True, eq=False)
class Split:
    """A training set and two folds of ``data``. ``name`` says how it was cut.

    ``parts`` says for each event of the data, in its order, which it is: int8, 0 train, 1 validation, 2 test,
    3 aside (it may stand in a history, but is neither trained on nor asked for). A fold's history is all that
    its user did before the first answer. The three are taken out of the data when they are first asked for:
    cutting and saving copies no event.
    """

    name: str
    data: Dataset
    parts: Int8s

    def __post_init__(self) -> None:
        if len(self.parts) != self.data.events.height:
            raise DataError(
                f"{self.name}: {len(self.parts)} parts for {self.data.events.height} events; give one each"
            )

    @classmethod
    def leave_last_out(cls, data: Dataset) -> Split:
        """Hold out each user's last event for test and the one before for validation.

        Users with fewer than three events stay in train whole. Ties in time keep the log's order. The test
        histories contain the validation event. Raises DataError if no user has three events.
        """
        return cls("leave-last-out", data, strategies.last_k(data, 1))

    @classmethod
    def leave_last_k(cls, data: Dataset, *, k: int = 5) -> Split:
        """Hold out each user's last k events for test and the k before for validation.

        Users with fewer than 2k + 1 events stay in train whole.
        """
        return cls("leave-last-k", data, strategies.last_k(data, k))

    @classmethod
    def global_time(cls, data: Dataset, *, valid_from: int | None = None, test_from: int | None = None) -> Split:
        """Train before one moment for all users, validate up to another, test from there on.

        Times are Unix seconds; by default the last tenth of the events is test and the tenth before validation.
        No training event is later than any answer. Raises DataError for a log that only has an order.
        """
        first = strategies.time_quantile(data, 0.8) if valid_from is None else valid_from
        second = strategies.time_quantile(data, 0.9) if test_from is None else test_from
        return cls("global-time", data, strategies.by_time(data, valid_from=first, test_from=second))

    @classmethod
    def rolling(cls, data: Dataset, *, windows: int = 3, share: float = 0.4) -> list[Split]:
        """Cut by time again and again, each cut a window later: cross-validation for time series.

        The last ``share`` of the log's time is divided into windows + 1 pieces. Cut n validates on piece n,
        tests on piece n + 1 and trains on all before; what comes later stands aside.
        """
        bounds = strategies.window_bounds(data, windows, share=share)
        parts = [
            strategies.by_time(data, valid_from=first, test_from=second, until=None if n == windows - 1 else third)
            for n, (first, second, third) in enumerate(zip(bounds, bounds[1:], bounds[2:], strict=False))
        ]
        return [cls(f"rolling-{n + 1}-of-{windows}", data, part) for n, part in enumerate(parts)]

    @classmethod
    def user_disjoint(cls, data: Dataset, *, share: float = 0.1, seed: int = 0) -> Split:
        """Ask about users who are never trained on; see ``cuts.new_users``."""
        return cls("user-disjoint", data, strategies.new_users(data, share, seed))

    @classmethod
    def cold_items(cls, data: Dataset, *, share: float = 0.1, seed: int = 0) -> Split:
        """Ask for items that are never trained on; see ``cuts.new_items``."""
        return cls("cold-items", data, strategies.new_items(data, share, seed))

    @classmethod
    def per_session(cls, data: Dataset, *, gap: int | None = None) -> Split:
        """Hold out each user's last session for test, the one before for validation; see ``cuts.last_session``."""
        return cls("per-session", data, strategies.last_session(data, gap))

    @cached_property
    def train(self) -> Dataset:
        """What a model may learn from."""
        return self.data.with_events(self.data.events.filter(self.parts == TRAIN))

    @cached_property
    def valid(self) -> Fold:
        """What settings are chosen by."""
        return _fold(self.data.events, user_starts(self.data), self.parts == VALID)

    @cached_property
    def test(self) -> Fold:
        """What a model is judged by."""
        return _fold(self.data.events, user_starts(self.data), self.parts == TEST)

    @cached_property
    def held_out(self) -> pl.DataFrame:
        """The test events with all their fields."""
        return self.data.events.filter(self.parts == TEST)

    @cached_property
    def hash(self) -> str:
        """sha256 over the split's name, the fingerprint of the data and each event's part."""
        digest = hashlib.sha256(f"{self.name}:{self.data.fingerprint}:".encode())
        digest.update(self.parts.astype(np.int8).tobytes())
        return digest.hexdigest()

    def save(self, folder: str | Path) -> None:
        """Write ``split.json`` and ``parts.parquet``, but not the data. Raises DataError if it exists."""
        path = Path(folder)
        if path.exists():
            raise DataError(f"{path} exists already; choose another folder or remove it")
        metadata = {"format": FORMAT, "name": self.name, "hash": self.hash, "events": len(self.parts)}
        with appearing(path) as temporary:
            pl.DataFrame({"part": self.parts}).write_parquet(temporary / "parts.parquet")
            (temporary / "split.json").write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, data: Dataset) -> Split:
        """Cut ``data`` as a saved split says. Raises DataError if the split was made from other data."""
        path = Path(folder)
        if not (path / "split.json").is_file():
            raise DataError(f"{path} is not a saved split; make one with: llmrec data split DIR")
        try:
            metadata = json.loads((path / "split.json").read_text(encoding="utf-8"))
            name, expected, newest = str(metadata["name"]), str(metadata["hash"]), int(metadata["format"])
            parts = pl.read_parquet(path / "parts.parquet")["part"].to_numpy().astype(np.int8)
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path} is damaged ({error}); split the data again") from error
        if newest > FORMAT:
            raise DataError(f"{path} has format {newest}, newer than {FORMAT}; upgrade llmrec")
        if len(parts) and (parts.min() < TRAIN or parts.max() > strategies.CONTEXT_ONLY):
            raise DataError(
                f"{path} is damaged (a part is not 0 to {strategies.CONTEXT_ONLY}); split the data again"
            )
        split = cls(name, data, parts) if len(parts) == data.events.height else None
        if split is None or split.hash != expected:
            raise DataError(f"{path} was made from other data than '{data.name}'; split it again")
        return split


def _fold(events: pl.DataFrame, of_users: tuple[Int64s, Int64s], asked: Bools) -> Fold:
    """Take the events asked for as answers; the questions are their users' events up to the first of them."""
    starts, lengths = of_users
    so_far = offsets_of(asked)
    answers_of_user = np.diff(so_far[starts])
    before = so_far[1:] == np.repeat(so_far[starts[:-1]], lengths)
    kept = before & np.repeat(answers_of_user > 0, lengths)
    chosen = np.flatnonzero(answers_of_user)
    users = events[USER].gather(starts[chosen])
    counts = np.diff(offsets_of(kept)[starts])[chosen]
    histories = Histories(tuple(users.to_list()), events.drop(USER).filter(kept), offsets_of(counts))
    answers = events.filter(asked)
    return Fold(histories, answers.select(USER, ITEM), answers)
