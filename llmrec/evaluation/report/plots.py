"""The report's figures, as SVG that takes its text colour from the page (light or dark)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from llmrec.evaluation.report.glossary import metric_name
from llmrec.evaluation.results import Result
from llmrec.evaluation.significance import Interval
from llmrec.evaluation.slices import HISTORY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Readable on white and on near-black; the first model has the first colour in every figure.
COLOURS = ("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#a855f7", "#14b8a6", "#ec4899", "#84cc16")
# matplotlib knows no "currentColor": this one stands for it until the SVG is written.
INK = "#010203"

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


def metric_bars(results: Sequence[Result], columns: Sequence[str]) -> str:
    """Draw each metric's means with their intervals, models from top to bottom. Returns SVG."""

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
        names = [short(result.model) for result in results]
        for axes, column in zip(panels, columns, strict=True):
            for index, result in enumerate(results):
                interval = result.metrics[column]
                axes.barh(index, interval.mean, height=0.62, color=colour(index), alpha=0.85)
                axes.errorbar(
                    interval.mean, index, xerr=_whiskers([interval]), color=INK, capsize=3, linewidth=1.1
                )
            axes.set_title(metric_name(column), loc="left")
            axes.set_yticks(range(len(names)), names)
            axes.set_xlim(left=0)
            axes.locator_params(axis="x", nbins=4)
            axes.tick_params(axis="y", length=0)
        panels[0].invert_yaxis()

    return svg(draw, width=9.2, height=0.9 + 0.42 * len(results), prefix="bars")


def learning_curves(results: Sequence[Result]) -> str | None:
    """Draw training loss and validation NDCG over epochs. Returns SVG, or None where no model kept a log."""
    kinds = [(key, title) for key, title in _curve_kinds(results) if _curves(results, key)]
    if not kinds:
        return None

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(kinds), squeeze=False)[0]
        for axes, (key, title) in zip(panels, kinds, strict=True):
            _curve_panel(axes, _curves(results, key), title, marked=key != "loss")

    return svg(draw, width=9.2 if len(kinds) > 1 else 5.6, height=3.1, prefix="curves")


def by_history(results: Sequence[Result]) -> str | None:
    """Draw the first metric by how long the history is, with intervals. Returns SVG, or None without slices."""
    by_model = [[part for part in result.slices if part.by == HISTORY] for result in results]
    if max(map(len, by_model), default=0) < 2:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        names = [f"{part.name}\n({part.users:,} people)" for part in max(by_model, key=len)]
        for index, parts in enumerate(by_model):
            intervals = [part.interval for part in parts]
            axes.errorbar(
                [number + (index - len(results) / 2) * 0.06 for number in range(len(parts))],
                [interval.mean for interval in intervals],
                yerr=_whiskers(intervals),
                color=colour(index),
                label=short(results[index].model),
                marker="o",
                markersize=4,
                linewidth=1.4,
                elinewidth=0.8,
            )
        axes.set_xticks(range(len(names)), names)
        axes.set_ylim(bottom=0)
        axes.set_title(f"{metric_name(results[0].slices[0].metric)} by length of history", loc="left")
        axes.grid(visible=True, axis="y", color=INK, alpha=0.1, linewidth=0.6)
        axes.legend(fontsize=9)

    return svg(draw, width=9.2, height=3.4, prefix="history")


def against_cost(results: Sequence[Result], column: str) -> str | None:
    """Draw a metric against training time, both with names. Returns SVG, or None with fewer than two times."""
    timed = [(index, result) for index, result in enumerate(results) if result.cost.train_seconds is not None]
    if len(timed) < 2:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for index, result in timed:
            interval, seconds = result.metrics[column], max(result.cost.train_seconds or 0.0, 0.01)
            axes.errorbar(
                seconds, interval.mean, yerr=_whiskers([interval]), color=colour(index), marker="o", elinewidth=0.8
            )
            axes.annotate(
                short(result.model),
                (seconds, interval.mean),
                xytext=(5, 4),
                textcoords="offset points",
                fontsize=9,
            )
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("seconds of training")
        axes.set_title(f"{metric_name(column)} against training time", loc="left")
        axes.grid(visible=True, color=INK, alpha=0.1, linewidth=0.6)

    return svg(draw, width=9.2, height=3.4, prefix="cost")


def _curve_kinds(results: Sequence[Result]) -> list[tuple[str, str]]:
    keys = {key for result in results for row in result.learning for key in row if key.startswith("valid_ndcg")}
    return [
        ("loss", "Training loss"),
        *((key, f"{metric_name(key[6:])} on validation") for key in sorted(keys)),
    ]


def _curves(results: Sequence[Result], key: str) -> list[tuple[int, str, list[float], list[float]]]:
    """Collect (model's index, name, epochs, values) of the models whose log has at least one ``key``."""
    curves = []
    for index, result in enumerate(results):
        rows = [row for row in result.learning if isinstance(row.get(key), int | float)]
        points = [(row.get("epoch", row.get("step")), row[key]) for row in rows]
        drawn = [(float(x), float(y)) for x, y in points if x is not None and y is not None]
        if drawn:
            epochs, values = zip(*drawn, strict=True)
            curves.append((index, result.model, list(epochs), list(values)))
    return curves


def _curve_panel(
    axes: Axes, curves: list[tuple[int, str, list[float], list[float]]], title: str, *, marked: bool
) -> None:
    for index, name, epochs, values in curves:
        marker = "o" if marked or len(values) < 2 else None
        axes.plot(
            epochs,
            values,
            color=colour(index),
            label=short(name),
            linewidth=1.6,
            marker=marker,
            markersize=4,
        )
    axes.set_title(title, loc="left")
    axes.set_xlabel("epoch (one pass over the training data)")
    axes.grid(visible=True, color=INK, alpha=0.1, linewidth=0.6)
    axes.legend(fontsize=9)


def svg(draw: Callable[[Figure], None], *, width: float, height: float, prefix: str) -> str:
    """Draw a figure in the report's style. ``prefix`` keeps its ids different from those of other figures."""
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
    # Figures share a page: their ids must not collide.
    for mark in ('id="', "url(#", 'href="#'):
        drawn = drawn.replace(mark, f"{mark}{prefix}-")
    return drawn


def _whiskers(intervals: Sequence[Interval]) -> list[list[float]]:
    """How far intervals reach below and above their means, as matplotlib's error bars take it."""
    return [
        [max(one.mean - one.low, 0) for one in intervals],
        [max(one.high - one.mean, 0) for one in intervals],
    ]


def colour(index: int) -> str:
    """The colour of the model with this index."""
    return COLOURS[index % len(COLOURS)]


def short(name: str) -> str:
    """A model's name, cut where it is too long for a figure."""
    return name if len(name) <= 24 else f"{name[:23]}…"
