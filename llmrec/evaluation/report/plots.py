"""The report's figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmrec.evaluation.report.glossary import metric_name
from llmrec.evaluation.results import Result, Slice
from llmrec.evaluation.significance import Interval
from llmrec.evaluation.slices import HISTORY
from llmrec.pages import INK, colours, plain_axis, short, svg, time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A slice of fewer of all people than this does not set the scale.
FEW = 0.02


def metric_bars(results: Sequence[Result], columns: Sequence[str]) -> str:
    """Draw each metric's means with their intervals, models from top to bottom. Returns SVG."""

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
        names, by_name = [short(result.model) for result in results], colours(result.model for result in results)
        for axes, column in zip(panels, columns, strict=True):
            for index, result in enumerate(results):
                interval = result.metrics[column]
                axes.barh(index, interval.mean, height=0.62, color=by_name[result.model])
                axes.errorbar(
                    interval.mean, index, xerr=_whiskers([interval]), color=INK, capsize=3, linewidth=1.1
                )
            axes.set_title(metric_name(column), loc="left")
            axes.set_yticks(range(len(names)), names)
            axes.set_xlim(left=0)
            axes.locator_params(axis="x", nbins=4)
            axes.tick_params(axis="y", length=0)
        panels[0].invert_yaxis()

    label = (
        f"Bars of {', '.join(map(metric_name, columns))} with intervals, one for each model; numbers in the table"
    )
    return svg(draw, width=9.2, height=0.9 + 0.42 * len(results), prefix="bars", label=label)


def learning_curves(results: Sequence[Result]) -> str | None:
    """Draw training loss and validation NDCG over epochs. Returns SVG, or None where no model kept a log."""
    kinds = [(key, title) for key, title in _curve_kinds(results) if _curves(results, key)]
    if not kinds:
        return None

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, len(kinds), squeeze=False)[0]
        for axes, (key, title) in zip(panels, kinds, strict=True):
            _curve_panel(axes, _curves(results, key), title, colours(names), marked=key != "loss")
        _legend(figure, panels[0])

    names = [result.model for result in results]
    label = f"Lines of {' and '.join(title for _, title in kinds)} over epochs"
    return svg(draw, width=9.2 if len(kinds) > 1 else 5.6, height=3.3, prefix="curves", label=label)


def by_history(results: Sequence[Result]) -> str | None:
    """Draw the first metric by how long the history is, with intervals. Returns SVG, or None without slices."""
    by_model = [[part for part in result.slices if part.by == HISTORY] for result in results]
    if max(map(len, by_model), default=0) < 2:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        longest, by_name = max(by_model, key=len), colours(result.model for result in results)
        names = [f"{part.name}\n({part.users:,} people)" for part in longest]
        for index, parts in enumerate(by_model):
            intervals = [part.interval for part in parts]
            axes.errorbar(
                [number + (index - len(results) / 2) * 0.06 for number in range(len(parts))],
                [interval.mean for interval in intervals],
                yerr=_whiskers(intervals),
                color=by_name[results[index].model],
                label=short(results[index].model),
                marker="o",
                markersize=4,
                linewidth=1.4,
                elinewidth=0.8,
            )
        axes.set_xticks(range(len(names)), names)
        axes.set_ylim(0, _top(by_model))
        axes.set_title(f"{metric_name(results[0].slices[0].metric)} by length of history", loc="left")
        axes.grid(visible=True, axis="y", color=INK, alpha=0.1, linewidth=0.6)
        _legend(figure, axes)

    label = "Lines of accuracy by the length of a history, one for each model; numbers in the table"
    return svg(draw, width=9.2, height=3.6, prefix="history", label=label)


def against_cost(results: Sequence[Result], column: str) -> str | None:
    """Draw a metric against training time. Returns SVG, or None with fewer than two times."""
    timed = [result for result in results if result.cost.train_seconds is not None]
    if len(timed) < 2:
        return None

    def draw(figure: Figure) -> None:
        axes, by_name = figure.subplots(), colours(result.model for result in results)
        for result in timed:
            interval, seconds = result.metrics[column], max(result.cost.train_seconds or 0.0, 0.01)
            axes.errorbar(
                seconds,
                interval.mean,
                yerr=_whiskers([interval]),
                color=by_name[result.model],
                label=short(result.model),
                marker="o",
                linestyle="none",
                elinewidth=0.8,
            )
        axes.set_xscale("log")
        time_axis(axes.xaxis)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("training time")
        axes.set_title(f"{metric_name(column)} against training time", loc="left")
        axes.grid(visible=True, color=INK, alpha=0.1, linewidth=0.6)
        _legend(figure, axes)

    label = f"Points of {metric_name(column)} against training time, one for each model; numbers in the tables"
    return svg(draw, width=9.2, height=3.6, prefix="cost", label=label)


def _curve_kinds(results: Sequence[Result]) -> list[tuple[str, str]]:
    keys = {key for result in results for row in result.learning for key in row if key.startswith("valid_ndcg")}
    return [
        ("loss", "Training loss"),
        *((key, f"{metric_name(key[6:])} on validation") for key in sorted(keys)),
    ]


def _curves(results: Sequence[Result], key: str) -> list[tuple[str, list[float], list[float]]]:
    """Collect (name, epochs, values) of the models whose log has at least one ``key``."""
    curves = []
    for result in results:
        rows = [row for row in result.learning if isinstance(row.get(key), int | float)]
        points = [(row.get("epoch", row.get("step")), row[key]) for row in rows]
        drawn = [(float(x), float(y)) for x, y in points if x is not None and y is not None]
        if drawn:
            epochs, values = zip(*drawn, strict=True)
            curves.append((result.model, list(epochs), list(values)))
    return curves


def _curve_panel(
    axes: Axes,
    curves: list[tuple[str, list[float], list[float]]],
    title: str,
    by_name: dict[str, str],
    *,
    marked: bool,
) -> None:
    for name, epochs, values in curves:
        marker = "o" if marked or len(values) < 2 else None
        axes.plot(
            epochs, values, color=by_name[name], label=short(name), linewidth=1.6, marker=marker, markersize=3
        )
    axes.set_title(title, loc="left")
    axes.set_xlabel("epoch (one pass over the training data)")
    axes.grid(visible=True, color=INK, alpha=0.1, linewidth=0.6)
    plain_axis(axes.xaxis)


def _legend(figure: Figure, axes: Axes) -> None:
    """Name the lines beside the figure, where they cover nothing."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=9)


def _top(by_model: Sequence[Sequence[Slice]]) -> float:
    """How high the scale reaches: over all intervals but those of few people."""
    people = sum(part.users for part in by_model[0])
    many = [part for parts in by_model for part in parts if part.users >= FEW * people]
    return 1.05 * max(part.interval.high for part in many) or 1.0


def _whiskers(intervals: Sequence[Interval]) -> list[list[float]]:
    """How far intervals reach below and above their means, as matplotlib's error bars take it."""
    return [
        [max(one.mean - one.low, 0) for one in intervals],
        [max(one.high - one.mean, 0) for one in intervals],
    ]
