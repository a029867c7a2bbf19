"""Cut a dataset into what a model is trained on and what it is to predict."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmrec.arrays import Bools, Int8s
from llmrec.data.cleaning.positives import positives_of
from llmrec.data.columns import ITEM, POSITIVE, USER
from llmrec.data.dataset import Dataset
from llmrec.data.histories import Histories, offsets_of
from llmrec.data.notebook import ShownAsTable
from llmrec.data.splits.fold import Fold
from llmrec.data.splits.named import NAMED_SPLITS, NONE, SplitStrategy, names_of_splits, window_of
from llmrec.data.splits.negative_answers import AnswersIfAll, answers_if_all
from llmrec.data.splits.parts import (
    CONTEXT_ONLY,
    TEST,
    TRAIN,
    VALID,
    Time,
    require_answers,
    user_starts,
)
from llmrec.errors import DataError
from llmrec.resources.cache import appearing

FORMAT = 1
PARTS, SPLIT_FILE = "parts.parquet", "split.json"
PART, LEARNED = "part", "learned"  # its columns


@dataclass(frozen=True, eq=False)
class Split(ShownAsTable):
    """A training set and two folds of ``data``. ``name`` is that of its strategy.

    ``parts`` has each event's part, in the order of the data: int8, 0 train, 1 validation, 2 test, 3 context only
    (it may be in a history, but is neither trained on nor a target). A fold's history is all that its user did
    before the first answer. The three are taken out of the data when they are first used: cutting and saving
    copies no event. Events of test and validation that are no positive targets are no answers. ``if_all``: how
    many test answers there would be, were every event a positive target; None where that changes nothing.
    ``learned``, bool [n_events]: which events are held out although the weights that training goes on from were
    trained on them; None: none.

    >>> split = Split.leave_last_out(Dataset.from_tables({"user_id": ["ann"] * 4, "item_id": list("wxyz")}))
    >>> split.test.histories.items(0), split.test.answers["item_id"].to_list()
    (['w', 'x', 'y'], ['z'])
    """

    name: str
    data: Dataset
    parts: Int8s
    if_all: AnswersIfAll | None = None
    learned: Bools | None = None

    def __post_init__(self) -> None:
        n = self.data.events.height
        if len(self.parts) != n:
            raise DataError(f"{self.name}: {len(self.parts)} parts for {n} events; give one each")
        if n and not TRAIN <= self.parts.min() <= self.parts.max() <= CONTEXT_ONLY:
            raise DataError(f"{self.name}: a part is not {TRAIN} to {CONTEXT_ONLY}; see llmrec.data.splits.parts")

    @classmethod
    def by_name(cls, name: str, data: Dataset, **options: Any) -> Split:
        """Split by a strategy's name (``leave-last-k``; ``rolling-1-of-3`` for the first of three windows).

        ``options`` are those of the strategy. Raises DataError for an unknown name or option.
        """
        if name == NONE and not options:
            return cls.none(data)
        window = window_of(name)
        if window is not None and 1 <= window[1] <= window[2]:
            return cls.all_by_name(window[0], data, **options | {"windows": window[2]})[window[1] - 1]
        if _strategy(name).several:
            raise DataError(
                f"{name} gives several splits; name one of them, such as {name}-1-of-3 (first of three)"
            )
        return cls.all_by_name(name, data, **options)[0]

    @classmethod
    def all_by_name(cls, name: str, data: Dataset, **options: Any) -> list[Split]:
        """Return every split of a strategy: one, or for ``rolling`` one for each window."""
        if window_of(name) is not None:
            return [cls.by_name(name, data, **options)]
        strategy = _strategy(name)
        strategy.check_options(options)
        parts = strategy.assign(data, **options)
        several = parts if isinstance(parts, list) else [parts]
        held_out = [require_answers(part, data, name) for part in several]
        counts = answers_if_all(data, held_out, lambda every: strategy.assign(every, **options))
        if several is not parts:
            return [cls(name, data, held_out[0], counts[0])]
        named = enumerate(zip(held_out, counts, strict=True), start=1)
        return [cls(f"{name}-{n}-of-{len(held_out)}", data, part, count) for n, (part, count) in named]

    @classmethod
    def open(cls, name_or_folder: str, data: Dataset) -> Split:
        """Split by a strategy's name with its defaults, or as saved in a folder by ``save``."""
        folder = Path(name_or_folder)
        if name_or_folder not in (NONE, *NAMED_SPLITS) and folder.is_dir():
            return cls.load(folder, data)
        return cls.by_name(name_or_folder, data)

    @classmethod
    def none(cls, data: Dataset) -> Split:
        """Hold nothing out, for production: all events are trained on, and nothing is left to judge a model by."""
        return cls(NONE, data, np.zeros(data.events.height, dtype=np.int8))

    @classmethod
    def leave_last_out(cls, data: Dataset) -> Split:
        """Hold out each user's last event for test and the one before for validation.

        Users with fewer than three events stay in train whole. Ties in time keep the log's order. The test
        histories contain the validation event. Raises DataError if no user has three events.
        """
        return cls.by_name("leave-last-out", data)

    @classmethod
    def leave_last_k(cls, data: Dataset, *, k: int = 5) -> Split:
        """Hold out each user's last k events for test and the k before for validation.

        Users with fewer than 2k + 1 events stay in train whole.
        """
        return cls.by_name("leave-last-k", data, k=k)

    @classmethod
    def global_time(cls, data: Dataset, *, valid_from: Time = None, test_from: Time = None) -> Split:
        """Train before one time for all users, validate up to another, test from there on.

        Times are Unix seconds, dates, or text that a log may have; by default the last tenth of the events is test
        and the tenth before validation. No training event is later than any answer. Raises DataError for a log
        that only has an order.
        """
        return cls.by_name("global-time", data, valid_from=valid_from, test_from=test_from)

    @classmethod
    def rolling(cls, data: Dataset, *, windows: int = 3, share: float = 0.4) -> list[Split]:
        """Split by time again and again, each time a window later: cross-validation for time series.

        The last ``share`` of the log's time is divided into windows + 1 pieces. Split n validates on piece n,
        tests on piece n + 1 and trains on all before; what comes later is context only.
        """
        return cls.all_by_name("rolling", data, windows=windows, share=share)

    @classmethod
    def user_disjoint(cls, data: Dataset, *, share: float = 0.1, seed: int = 0) -> Split:
        """Hold out users who are never trained on; see ``strategies.user_disjoint``."""
        return cls.by_name("user-disjoint", data, share=share, seed=seed)

    @classmethod
    def cold_items(cls, data: Dataset, *, share: float = 0.1, seed: int = 0) -> Split:
        """Hold out items that are never trained on; see ``strategies.cold_items``."""
        return cls.by_name("cold-items", data, share=share, seed=seed)

    @classmethod
    def per_session(cls, data: Dataset, *, gap: int | None = None) -> Split:
        """Hold out each user's last session, and the one before; see ``strategies.per_session``."""
        return cls.by_name("per-session", data, gap=gap)

    @cached_property
    def train(self) -> Dataset:
        """The events that a model is trained on."""
        return self.data.with_events(self.data.events.filter(self.parts == TRAIN))

    @cached_property
    def valid(self) -> Fold:
        """The fold that settings are chosen on, without users of whom an answer was ``learned``."""
        fold = _fold(self.data, self.parts == VALID)
        if self.learned is None:
            return fold
        users = pl.Series(USER, fold.histories.user_ids, dtype=pl.String)
        return fold.take(np.flatnonzero(~users.is_in(self.learned_answers(VALID)[USER].implode())))

    @cached_property
    def test(self) -> Fold:
        """The fold that models are evaluated on."""
        return _fold(self.data, self.parts == TEST)

    @cached_property
    def held_out(self) -> pl.DataFrame:
        """The test events with all their fields, also those that are no answers."""
        return self.data.events.filter(self.parts == TEST)

    @cached_property
    def test_answers(self) -> pl.DataFrame:
        """The test events that are answers, with all their fields."""
        return self.held_out.filter(positives_of(self.held_out))

    def learned_answers(self, part: int) -> pl.DataFrame:
        """Return the answers of a part that were ``learned``, as ``user_id, item_id``."""
        events = self.data.events
        mask = np.zeros(events.height, dtype=bool) if self.learned is None else self.learned
        return events.filter(mask & (self.parts == part) & positives_of(events).to_numpy()).select(USER, ITEM)

    @cached_property
    def hash(self) -> str:
        """sha256 over the split's name, the fingerprint of the data and each event's part."""
        return _hash(self.name, self.data, self.parts)

    def __repr__(self) -> str:
        return f"Split({self.name} of {self.data.name}: {len(self.parts):,} events)"

    def _shown(self) -> pl.DataFrame:
        counts = np.bincount(self.parts, minlength=4).tolist()
        return pl.DataFrame({"part": ["train", "validation", "test", "context only"], "events": counts})

    def save(self, folder: str | Path) -> None:
        """Write ``split.json`` and ``parts.parquet``, but not the data. Raises DataError if it exists."""
        path = Path(folder)
        if path.exists():
            raise DataError(f"{path} exists already; choose another folder or remove it")
        metadata = {"format": FORMAT, "name": self.name, "hash": self.hash, "events": len(self.parts)}
        metadata |= {} if self.if_all is None else {"if_all": self.if_all._asdict()}
        with appearing(path) as temporary:
            columns = {PART: self.parts} | ({} if self.learned is None else {LEARNED: self.learned})
            pl.DataFrame(columns).write_parquet(temporary / PARTS)
            (temporary / SPLIT_FILE).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path, data: Dataset) -> Split:
        """Give ``data`` the parts of a saved split. Raises DataError if it was made from other data."""
        path = Path(folder)
        if not (path / SPLIT_FILE).is_file():
            raise DataError(f"{path} is not a saved split; make one with: llmrec data split DIR")
        try:
            metadata = json.loads((path / SPLIT_FILE).read_text(encoding="utf-8"))
            name, expected, newest = str(metadata["name"]), str(metadata["hash"]), int(metadata["format"])
            table = pl.read_parquet(path / PARTS, glob=False)
            parts = table[PART].to_numpy().astype(np.int8)
            learned = table[LEARNED].cast(pl.Boolean).to_numpy() if LEARNED in table.columns else None
            if_all = AnswersIfAll(**metadata["if_all"]) if "if_all" in metadata else None
            forgotten = metadata.get("forgotten") is True
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            raise DataError(f"{path} is damaged ({error}); split the data again") from error
        if newest > FORMAT:
            raise DataError(f"{path} has format {newest}, newer than {FORMAT}; upgrade llmrec")
        if len(parts) and not TRAIN <= parts.min() <= parts.max() <= CONTEXT_ONLY:
            raise DataError(f"{path} is damaged (a part is not {TRAIN} to {CONTEXT_ONLY}); split the data again")
        if len(parts) != data.events.height or not (forgotten or _hash(name, data, parts) == expected):
            whole = ": it is of the data without the users that were forgotten" if forgotten else ""
            raise DataError(
                f"{path} was made from other data than '{data.name}', or with other positive targets{whole}; "
                "split it again"
            )
        return cls(name, data, parts, if_all, learned)


def _hash(name: str, data: Dataset, parts: Int8s) -> str:
    digest = hashlib.sha256(f"{name}:{data.fingerprint}:".encode())
    digest.update(parts.astype(np.int8).tobytes())
    return digest.hexdigest()


def _strategy(name: str) -> SplitStrategy:
    if name not in NAMED_SPLITS:
        known = ", ".join(names_of_splits())
        raise DataError(f"no split strategy named '{name}', and no folder of that name; there are {known}, none")
    return NAMED_SPLITS[name]


def _fold(data: Dataset, held_out: Bools) -> Fold:
    """Take the positive targets held out as answers; histories are their users' events up to the first of them."""
    events, (starts, lengths) = data.events, user_starts(data)
    of_answers = held_out & positives_of(events).to_numpy() if POSITIVE in events.columns else held_out
    so_far = offsets_of(of_answers)
    answers_of_user = np.diff(so_far[starts])
    before_first = so_far[1:] == np.repeat(so_far[starts[:-1]], lengths)
    mask = before_first & np.repeat(answers_of_user > 0, lengths)
    chosen = np.flatnonzero(answers_of_user)
    users = events[USER].gather(starts[chosen])
    counts = np.diff(offsets_of(mask)[starts])[chosen]
    histories = Histories(tuple(users.to_list()), events.drop(USER).filter(mask), offsets_of(counts))
    return Fold(histories, events.filter(of_answers).select(USER, ITEM), events.filter(held_out & ~before_first))
