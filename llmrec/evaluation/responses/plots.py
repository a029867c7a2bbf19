"""Plots of predicted responses: ROC, precision-recall and calibration curves, and the confusion matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmrec.evaluation.report.plots import INK, colour, short, svg
from llmrec.evaluation.responses.results import ResponseResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = {
    "roc": ("ROC", "false positive rate", "true positive rate"),
    "pr": ("Precision and recall", "recall", "precision"),
    "calibration": ("Calibration", "predicted probability", "observed frequency"),
}


def figures(results: list[ResponseResult]) -> list[str]:
    """Draw one task's curves, and the first model's confusion matrix. Returns SVGs; none for a number."""
    plotted = [result for result in results if result.curves]
    if not plotted:
        return []
    task = plotted[0].task
    return [
        svg(lambda figure: _curves(figure, plotted), width=9.2, height=3.4, prefix=f"curves-{task}"),
        svg(lambda figure: _matrix(figure, plotted[0]), width=5.2, height=4.2, prefix=f"confusion-{task}"),
    ]


def _curves(figure: Figure, results: list[ResponseResult]) -> None:
    panels = figure.subplots(1, len(PANELS), squeeze=False)[0]
    for axes, (key, (title, x_label, y_label)) in zip(panels, PANELS.items(), strict=True):
        for index, result in enumerate(results):
            points = result.curves.get(key, [])
            if points:
                x, y = zip(*points, strict=True)
                marker = "o" if key == "calibration" else None
                axes.plot(x, y, color=colour(index), label=short(result.model), marker=marker, markersize=3)
        if key != "pr":
            axes.plot([0, 1], [0, 1], color=INK, alpha=0.3, linewidth=0.8)
        _framed(axes, title, x_label, y_label)
    panels[0].legend(fontsize=7)


def _framed(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    axes.set_title(title, loc="left")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)


def _matrix(figure: Figure, result: ResponseResult) -> None:
    axes = figure.subplots()
    totals = [max(sum(row), 1) for row in result.confusion]
    shares = [[value / total for value in row] for row, total in zip(result.confusion, totals, strict=True)]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, values in enumerate(result.confusion):
        for column, value in enumerate(values):
            ink = "#ffffff" if shares[row][column] > 0.5 else "#1b2330"
            axes.text(column, row, f"{value:,}", ha="center", va="center", color=ink, fontsize=8)
    names = [short(level) for level in result.levels]
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    axes.set_title(f"Confusion matrix of {short(result.model)}", loc="left")
