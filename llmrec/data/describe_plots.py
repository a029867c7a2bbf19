"""The pictures of a data set: lengths, popularity, times, pauses and behaviors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Int64s
from llmrec.data.columns import BEHAVIOR, TIME
from llmrec.data.dataset import Dataset
from llmrec.data.describe import gaps, popularity
from llmrec.pages import PALETTE, plain_axis, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOUR = PALETTE[0]
_BINS = 40
_MOST_BARS = 8
Panel = tuple[str, Callable[["Axes"], None]]


def fill(figure: Figure, shown: list[Panel]) -> None:
    """Draw panels, two in a row; a single one alone."""
    columns = min(2, len(shown))
    grid = figure.subplots((len(shown) + 1) // 2, columns, squeeze=False).flat
    for (title, draw), axes in zip(shown, grid, strict=False):
        draw(axes)
        axes.set_title(title, loc="left")
    for axes in grid:  # what is left of the last row
        axes.set_axis_off()


def panels(data: Dataset) -> list[Panel]:
    """Return the pictures that this data can fill, by title."""
    lengths, counts, pauses = data.histories.lengths(), popularity(data), gaps(data)
    shown: list[Panel] = [
        ("Events of a user", lambda axes: _histogram(axes, lengths, "events", "users")),
        ("Events of an item, most popular first", lambda axes: _curve(axes, counts)),
    ]
    if not data.order_only:
        shown.append(("Events over time", lambda axes: _timeline(axes, data)))
    if (pauses > 0).any():
        share = f"{np.mean(pauses > 0):.0%} of pairs; the others share a time"
        shown.append(("Pause between events", lambda axes: _histogram(axes, pauses, share, "pairs", timed=True)))
    if BEHAVIOR in data.events.columns:
        shown.append(("Behaviors", lambda axes: _bars(axes, data.events[BEHAVIOR])))
    return shown


def _histogram(axes: Axes, values: Int64s | Float64s, across: str, up: str, *, timed: bool = False) -> None:
    """Draw how often each size occurs; sizes span decades, so their axis is logarithmic."""
    positive = values[values > 0]
    if len(positive):
        edges = np.unique(np.geomspace(positive.min(), positive.max() + 1, _BINS))
        heights, _ = np.histogram(positive, bins=edges)
        axes.bar(edges[:-1], heights, width=np.diff(edges), align="edge", color=_COLOUR)
    axes.set_xscale("log")
    (time_axis if timed else plain_axis)(axes.xaxis)
    plain_axis(axes.yaxis)
    axes.set_xlabel(across)
    axes.set_ylabel(up)


def _curve(axes: Axes, counts: Int64s) -> None:
    ranks = np.arange(1, len(counts) + 1)
    # A million points draw like a thousand.
    shown = np.unique(np.geomspace(1, max(len(counts), 1), 1000).astype(int)) - 1 if len(counts) else ranks
    axes.plot(ranks[shown], counts[shown], color=_COLOUR)
    axes.set_xscale("log")
    axes.set_yscale("log")
    plain_axis(axes.xaxis)
    plain_axis(axes.yaxis)
    axes.set_xlabel("rank of the item")
    axes.set_ylabel("events")


def _timeline(axes: Axes, data: Dataset) -> None:
    from matplotlib.dates import ConciseDateFormatter

    heights, edges = np.histogram(data.events[TIME].to_numpy(), bins=_BINS * 2)
    days = (edges * 1_000_000).astype("datetime64[us]")
    axes.stairs(heights, days, fill=True, color=_COLOUR)
    dates: Any = ConciseDateFormatter  # matplotlib gives it no types
    axes.xaxis.set_major_formatter(dates(axes.xaxis.get_major_locator()))
    plain_axis(axes.yaxis)
    axes.set_ylabel("events")


def _bars(axes: Axes, behaviors: pl.Series) -> None:
    counts = behaviors.drop_nulls().cast(pl.String).value_counts(sort=True).head(_MOST_BARS)
    names, sizes = counts.get_columns()
    axes.barh([name[:24] for name in names.to_list()], sizes.to_list(), color=_COLOUR)
    axes.invert_yaxis()
    axes.locator_params(axis="x", nbins=4)
    plain_axis(axes.xaxis)
    axes.set_xlabel("events")
