"""Draw a data set: one picture, and one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from llmrec.arrays import Float64s, Int64s
from llmrec.data.columns import BEHAVIOR, TIME
from llmrec.data.dataset import Dataset
from llmrec.data.describe import describe, gaps, popularity
from llmrec.errors import DataError
from llmrec.resources.cache import appearing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOUR = "#3b82f6"
_BINS = 40
_MOST_BARS = 8
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{name}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }}
img {{ width: 100%; }} td, th {{ text-align: left; vertical-align: top; padding: .2rem 1rem .2rem 0; }}
td {{ overflow-wrap: anywhere; }} .warning td, .warning th {{ color: #b45309; }}
</style></head><body><h1>{name}</h1><table>{rows}</table>
<img alt="History lengths, popularity, events over time, pauses and behaviors" src="data:image/png;base64,{image}">
</body></html>
"""


def draw(data: Dataset, folder: str | Path) -> list[Path]:
    """Write ``describe.png`` and ``describe.html`` into a new folder. Raises DataError if it exists."""
    path = Path(folder)
    if path.exists():
        raise DataError(f"{path} exists already; choose another --out or remove it")
    with appearing(path) as temporary:
        _figure(data).savefig(temporary / "describe.png", dpi=110)
        image = base64.b64encode((temporary / "describe.png").read_bytes()).decode()
        page = _PAGE.format(name=html.escape(data.name), rows=_rows(describe(data)), image=image)
        (temporary / "describe.html").write_text(page, encoding="utf-8")
    return [path / "describe.html", path / "describe.png"]


def _rows(described: pl.DataFrame) -> str:
    cells = []
    for what, value in described.iter_rows():
        mark = ' class="warning"' if what.startswith("warning") else ""
        cells.append(f"<tr{mark}><th>{html.escape(what)}</th><td>{html.escape(str(value))}</td></tr>")
    return "\n".join(cells)


def _figure(data: Dataset) -> Figure:
    import matplotlib
    from matplotlib.figure import Figure

    style: Any = {"axes.spines.top": False, "axes.spines.right": False, "text.parse_math": False, "font.size": 9}
    panels = _panels(data)
    with matplotlib.rc_context(style):
        figure = Figure(figsize=(10, 3.2 * ((len(panels) + 1) // 2)), layout="constrained")
        grid = figure.subplots((len(panels) + 1) // 2, 2, squeeze=False).flat
        for (title, fill), axes in zip(panels, grid, strict=False):
            fill(axes)
            axes.set_title(title, loc="left")
        for axes in grid:  # what is left of the last row
            axes.set_axis_off()
    return figure


def _panels(data: Dataset) -> list[tuple[str, Callable[[Axes], None]]]:
    """Return the pictures that this data can fill, by title."""
    lengths, counts, pauses = data.histories.lengths(), popularity(data), gaps(data)
    panels: list[tuple[str, Callable[[Axes], None]]] = [
        ("Events of a user", lambda axes: _histogram(axes, lengths, "events", "users")),
        ("Events of an item, most popular first", lambda axes: _curve(axes, counts)),
    ]
    if not data.order_only:
        panels.append(("Events over time", lambda axes: _timeline(axes, data)))
    if len(pauses):
        panels.append(("Pause between events", lambda axes: _histogram(axes, pauses + 1, "seconds + 1", "pairs")))
    if BEHAVIOR in data.events.columns:
        panels.append(("Behaviors", lambda axes: _bars(axes, data.events[BEHAVIOR])))
    return panels


def _histogram(axes: Axes, values: Int64s | Float64s, across: str, up: str) -> None:
    """Draw how often each size occurs; sizes span decades, so their axis is logarithmic."""
    positive = values[values > 0]
    if len(positive):
        edges = np.unique(np.geomspace(positive.min(), positive.max() + 1, _BINS))
        heights, _ = np.histogram(positive, bins=edges)
        axes.bar(edges[:-1], heights, width=np.diff(edges), align="edge", color=_COLOUR)
    axes.set_xscale("log")
    axes.set_xlabel(across)
    axes.set_ylabel(up)


def _curve(axes: Axes, counts: Int64s) -> None:
    ranks = np.arange(1, len(counts) + 1)
    # A million points draw like a thousand.
    shown = np.unique(np.geomspace(1, max(len(counts), 1), 1000).astype(int)) - 1 if len(counts) else ranks
    axes.plot(ranks[shown], counts[shown], color=_COLOUR)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("item")
    axes.set_ylabel("events")


def _timeline(axes: Axes, data: Dataset) -> None:
    heights, edges = np.histogram(data.events[TIME].to_numpy(), bins=_BINS * 2)
    days = (edges * 1_000_000).astype("datetime64[us]")
    axes.stairs(heights, days, fill=True, color=_COLOUR)
    axes.tick_params(axis="x", rotation=30)
    axes.set_ylabel("events")


def _bars(axes: Axes, behaviors: pl.Series) -> None:
    counts = behaviors.drop_nulls().cast(pl.String).value_counts(sort=True).head(_MOST_BARS)
    names, sizes = counts.get_columns()
    axes.barh([name[:24] for name in names.to_list()], sizes.to_list(), color=_COLOUR)
    axes.invert_yaxis()
    axes.locator_params(axis="x", nbins=4)
    axes.set_xlabel("events")
