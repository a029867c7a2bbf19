"""What people chose together and one after the other, counted, with what would be usual."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Int64s
from llmrec.data import Catalog, Histories, Sequences
from llmrec.data.cleaning.positives import positives_of
from llmrec.data.columns import ITEM
from llmrec.data.event_days import days_of
from llmrec.data.event_prices import PRICE, comparable_prices, prices_paid

_KNOWN: WeakKeyDictionary[Histories, Crowd] = WeakKeyDictionary()


class Crowd:
    """Positive events of many people as item codes. Who only sent an item back did not choose it."""

    def __init__(self, histories: Histories, catalog: Catalog) -> None:
        sequences = Sequences.encode(histories, catalog).positives()
        self.codes, self.people, self.n_people = sequences.codes, sequences.users(), len(sequences)
        self.n_items = len(catalog)
        self.prices = _prices(histories, catalog)
        self.days = _days(histories, catalog)
        # What each event was followed by, -1 after a person's last.
        self.following = np.full(len(self.codes), -1, dtype=np.int64)
        same = self.people[1:] == self.people[:-1]
        self.following[:-1][same] = self.codes[1:][same]
        self.n_followed = int(same.sum())
        self._events: dict[int, Int64s] = {}

    @classmethod
    def of(cls, histories: Histories, catalog: Catalog) -> Crowd:
        """Return that of the histories, read once as long as they live and the catalog does not grow."""
        crowd = _KNOWN.get(histories)
        if crowd is None or crowd.n_items != len(catalog):
            crowd = _KNOWN[histories] = cls(histories, catalog)
        return crowd

    def find(self, codes: Iterable[int]) -> None:
        """Look items up, all in one pass over the events."""
        wanted = [code for code in set(codes) if code not in self._events]
        if not wanted:
            return
        mask = np.zeros(self.n_items, dtype=bool)
        mask[wanted] = True
        events = np.flatnonzero(mask[self.codes])
        of_event = self.codes[events]
        order = np.argsort(of_event, kind="stable")
        events, of_event = events[order], of_event[order]
        for code in wanted:
            start, stop = np.searchsorted(of_event, [code, code + 1])
            self._events[code] = events[start:stop]

    def who(self, code: int) -> Int64s:
        """Return the people who chose an item, ascending."""
        self.find([code])
        return np.unique(self.people[self._events[code]])

    def together(self, code: int, *others: int) -> tuple[int, int, float]:
        """Count who chose an item and one of others, and who chose one of these.

        The third number: how many times as many the first are as by the item's share of all people.
        """
        chose, theirs = self.who(code), np.unique(np.concatenate([self.who(other) for other in others]))
        both = len(np.intersect1d(chose, theirs, assume_unique=True))
        expected = len(chose) * len(theirs)
        return both, len(theirs), both * self.n_people / expected if expected else 0.0

    def share_with(self, code: int, n_days: int) -> float:
        """Return which share of who chose an item did so on so many days; 0 where no days are known."""
        if self.days is None:
            return 0.0
        self.find([code])
        events = self._events[code]
        pairs = np.unique(np.stack([self.people[events], self.days[events]], axis=1), axis=0)
        _, counts = np.unique(pairs[:, 0], return_counts=True)
        return float(np.mean(counts >= n_days)) if len(counts) else 0.0

    def next_after(self, code: int, other: int) -> tuple[int, float]:
        """Count who chose an item directly after another, and how many times as often as after any item."""
        self.find([code, other])
        after = self._events[other]
        after = after[self.following[after] >= 0]
        hits = after[self.following[after] == code]
        # Before the first event stands the last, which nothing follows.
        n_next = np.count_nonzero(self.following[self._events[code] - 1] == code)
        expected = len(after) * n_next
        times = len(hits) * self.n_followed / expected if expected else 0.0
        return len(np.unique(self.people[hits])), times


def _prices(histories: Histories, catalog: Catalog) -> Float64s | None:
    """Return each item's price in the catalog, or the median that was paid; float64 [n_items], NaN: unknown.

    None where there are no prices, or in several currencies: they cannot be compared.
    """
    listed = comparable_prices(catalog.table)
    if listed is not None:
        prices: Float64s = listed.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return np.where(prices >= 0, prices, np.nan)
    paid = prices_paid(histories.events, catalog)
    if paid is None:
        return None
    events = pl.DataFrame([histories.events[ITEM], paid.cast(pl.Float64)]).filter(positives_of(histories.events))
    medians = events.filter(pl.col(PRICE).is_finite() & (pl.col(PRICE) > 0)).group_by(ITEM).agg(pl.median(PRICE))
    codes = catalog.codes(medians[ITEM])
    prices = np.full(len(catalog), np.nan)
    prices[codes[codes >= 0]] = medians[PRICE].to_numpy()[codes >= 0]
    return prices


def _days(histories: Histories, catalog: Catalog) -> Int64s | None:
    """Return the day of each positive event of a known item, int64 [n]; None where the log has no times."""
    days = days_of(histories.events)
    if days is None:
        return None
    known = (catalog.codes(histories.events[ITEM]) >= 0) & positives_of(histories.events).to_numpy()
    of_known: Int64s = days[known]
    return of_known
