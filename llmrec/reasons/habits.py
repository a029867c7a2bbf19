"""What a person usually pays, and how often they choose an item again, where the log has prices and times."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import polars as pl

from llmrec.data.cleaning.positives import positives_of
from llmrec.data.columns import ITEM
from llmrec.data.event_days import days_of
from llmrec.reasons.crowd import Crowd
from llmrec.reasons.evidence import Evidence
from llmrec.reasons.fact import Fact

_LEAST_PRICED, _LEAST_AGAIN, _LEAST_GAP = 5, 3, 2


def typical_price(code: int, chosen: list[int], crowd: Crowd) -> Iterator[Fact]:
    """Yield that an item costs what at least half of the ``chosen`` items do: their middle prices.

    That something costs nothing is not told: a price of 0 is often one that nobody entered.
    """
    prices = crowd.prices
    if prices is None or not np.isfinite(prices[code]) or not prices[code]:
        return
    others = prices[[other for other in chosen if other != code]]
    theirs = others[np.isfinite(others)]
    if len(theirs) < _LEAST_PRICED:
        return
    low, high = np.quantile(theirs, [0.25, 0.75], method="nearest")
    count = int(np.sum((theirs >= low) & (theirs <= high)))
    # Choices without a price are choices, too; of an odd number half is half but one.
    if not low <= prices[code] <= high or 2 * count < len(others) - 1:
        return
    known = prices[np.isfinite(prices)]
    share = float(np.mean((known >= low) & (known <= high)))
    values = tuple(written_price(float(value)) for value in (prices[code], low, high))
    yield Fact("price", (), "price", values, count, len(others), bits=-math.log2(share))


def chosen_again(one: Evidence, code: int, events: pl.DataFrame, crowd: Crowd) -> Iterator[Fact]:
    """Yield how often a person chose the recommended item, and in which rhythm, counted by days."""
    theirs = events.filter((pl.col(ITEM) == one.item.item_id) & positives_of(events))
    days = days_of(theirs)
    if days is None:
        return
    distinct = np.unique(days)
    if len(distinct) < _LEAST_AGAIN:
        return
    gap = round(float(np.median(np.diff(distinct))))
    share = crowd.share_with(code, len(distinct))
    if gap < _LEAST_GAP:
        return
    yield Fact("rhythm", (), count=len(distinct), of=gap, bits=-math.log2(share) if share else 0.0)


def written_price(price: float) -> str:
    """Write a price without its currency, which nobody knows: 2.1 is "2.10"."""
    return f"{price:,.2f}"
