"""Figures as SVG that takes its text colour from the page, light or dark; axes that show plain numbers."""

from __future__ import annotations

import html
import io
import warnings
import zlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Each differs from white and from the page's near-black at least as 3 to 1.
PALETTE = (
    *("#2a80e2", "#c7700b", "#019a46", "#dd5652", "#9860d0", "#119d9d"),
    *("#c34e97", "#8f8f0b", "#5661d1", "#bd4102", "#6b7280", "#9a47ac"),
)
# matplotlib knows no "currentColor": this one stands for it until the SVG is written.
INK = "#010203"
_LONGEST_NAME = 24
_TIMES = {1: "1 s", 60: "1 min", 3600: "1 h", 86_400: "1 day", 31_536_000: "1 year"}

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "llmrec",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


def colours(names: Iterable[str]) -> dict[str, str]:
    """Give each name a colour that does not depend on their order; colours repeat only when all are taken."""
    given: dict[str, str] = {}
    free = list(PALETTE)
    for name in sorted(set(names)):
        wanted = zlib.crc32(name.encode()) % len(PALETTE)
        turned = PALETTE[wanted:] + PALETTE[:wanted]
        given[name] = next(colour for colour in turned if colour in free)
        free.remove(given[name])
        free = free or list(PALETTE)
    return given


def short(name: str) -> str:
    """Cut a name that is too long for a figure."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def plain_axis(axis: Axis) -> None:
    """Write an axis' numbers as people do, 0.01 and 10,000: a logarithmic one's are formulas otherwise.

    A logarithmic axis of less than two decades is also marked at 2 and 5 times a power of ten. Call it last: it
    looks at what is drawn.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    if axis.get_scale() == "log" and high < 100 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def time_axis(axis: Axis) -> None:
    """Mark a logarithmic axis of seconds at a second, a minute, an hour, a day and a year."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.set_major_locator(FixedLocator([0.1, *_TIMES]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: _TIMES.get(round(value), f"{value:g} s")))


def svg(draw: Callable[[Figure], None], *, width: float, height: float, prefix: str, label: str) -> str:
    """Draw a figure of so many inches in the pages' style. Returns SVG.

    ``prefix`` keeps its ids different from those of other figures of a page; ``label`` says what it shows to
    those who do not see it.
    """
    import matplotlib
    from matplotlib.figure import Figure

    text = io.StringIO()
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # A model's name may use a script that matplotlib's own font lacks; the browser's fonts draw it.
        warnings.filterwarnings("ignore", message="Glyph")
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    drawn = drawn[drawn.index("<svg") :].replace(INK, "currentColor")
    for mark in ('id="', "url(#", 'href="#'):
        drawn = drawn.replace(mark, f"{mark}{prefix}-")
    return drawn.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1)
