"""Find which history items moved a recommendation: take each one out and see how far the score falls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from llmrec.data import Catalog, Histories
from llmrec.data.columns import ITEM, TITLE, USER
from llmrec.data.histories import offsets_of
from llmrec.errors import DataError
from llmrec.models.base import Recommender
from llmrec.prompting import plain_row

# A fall smaller than this share of the score is rounding, not evidence.
_NOISE = 1e-5


@dataclass(frozen=True)
class Item:
    """A catalog item as evidence shows it. ``metadata``: its other columns, empty ones left out."""

    item_id: str
    title: str
    metadata: Mapping[str, object] = field(default_factory=dict)

    @property
    def genres(self) -> tuple[str, ...]:
        """The item's genres, from a list or a text separated by ``|``, ``,``, ``;`` or ``/``."""
        value = self.metadata.get("genres", ())
        parts = re.split(r"[|,;/]", value) if isinstance(value, str) else value
        return tuple(str(part).strip() for part in parts) if isinstance(parts, list | tuple) else ()

    @property
    def year(self) -> str:
        """The item's year as written, or an empty text."""
        return str(self.metadata.get("year", ""))


@dataclass(frozen=True)
class Cited(Item):
    """A history item and its ``contribution``: how far the recommended item's score falls without it."""

    contribution: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """Why one item was recommended to one user. ``cited`` is empty where no history item helped."""

    user_id: str
    item: Item
    cited: tuple[Cited, ...] = ()

    @property
    def shared_genres(self) -> tuple[str, ...]:
        """The genres that the item and every cited item have."""
        if not self.cited:
            return ()
        return tuple(name for name in self.item.genres if all(name in other.genres for other in self.cited))


def occlusion(
    model: Recommender, histories: Histories, recs: pl.DataFrame, *, top: int = 3, most: int = 50
) -> list[Evidence]:
    """Find the evidence for every row of ``recs`` (``user_id, item_id``), in its order.

    A history item's contribution is the score of the recommended item minus its score when the history
    lacks that item (at every occurrence); only the newest ``most`` items are tried and at most ``top`` with
    a positive contribution cited, largest first. One ``model.score`` call per user covers all its rows.
    Raises DataError for a user without a history here or an item that is not in the catalog.
    """
    places = {user: n for n, user in enumerate(histories.user_ids)}
    rows: dict[str, list[int]] = {}
    for row, user in enumerate(recs[USER].to_list()):
        if user not in places:
            raise DataError(f"recs: user '{user}' is not among the {len(places)} users of these histories")
        rows.setdefault(user, []).append(row)
    codes = [model.catalog.code(item) for item in recs[ITEM].to_list()]
    found: dict[int, Evidence] = {}
    for user, numbers in rows.items():
        history = histories.take([places[user]])
        removed = _newest_known(history, model.catalog, most)
        falls = _falls(model, history, removed, [codes[row] for row in numbers])
        for row, fall in zip(numbers, falls, strict=True):
            cited = _cite(model.catalog, removed, fall, top)
            found[row] = Evidence(user, _item(model.catalog, codes[row]), cited)
    return [found[row] for row in range(recs.height)]


def _newest_known(history: Histories, catalog: Catalog, most: int) -> list[str]:
    """Return distinct catalog items of one history, newest first, at most ``most``."""
    distinct = list(dict.fromkeys(reversed(history.items(0))))
    known = catalog.codes(distinct) >= 0
    return [item for item, keep in zip(distinct, known, strict=True) if keep][:most]


def _falls(
    model: Recommender, history: Histories, removed: list[str], codes: list[int]
) -> npt.NDArray[np.float64]:
    """Return float64 [len(codes), len(removed)]; falls within rounding of nothing are 0."""
    scores = model.score(_without(history, removed))[:, codes].astype(np.float64)
    falls: npt.NDArray[np.float64] = scores[0] - scores[1:]
    falls[np.abs(falls) <= _NOISE * np.maximum(1.0, np.abs(scores[0]))] = 0.0
    return falls.T


def _without(history: Histories, removed: list[str]) -> Histories:
    """Return the history as it is, then once without each of ``removed``."""
    items = history.events[ITEM].to_numpy()
    kept = [np.arange(len(items)), *(np.flatnonzero(items != item) for item in removed)]
    names = tuple(str(n) for n in range(len(kept)))
    return Histories(names, history.events[np.concatenate(kept)], offsets_of([len(rows) for rows in kept]))


def _cite(catalog: Catalog, removed: list[str], fall: npt.NDArray[np.float64], top: int) -> tuple[Cited, ...]:
    # The order is stable: of two that weigh the same, the newer is cited first.
    best = [n for n in np.argsort(-fall, kind="stable")[:top] if fall[n] > 0]
    items = [_item(catalog, catalog.code(removed[n])) for n in best]
    return tuple(
        Cited(item.item_id, item.title, item.metadata, contribution=float(fall[n]))
        for n, item in zip(best, items, strict=True)
    )


def _item(catalog: Catalog, code: int) -> Item:
    row = plain_row(catalog.table.row(code, named=True))
    return Item(str(row.pop(ITEM)), str(row.pop(TITLE, "")), row)
