"""Curves of predicted responses: ROC, precision and recall, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmrec.evaluation.responses.results import ResponseResult
from llmrec.pages import INK, colours, short, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The curves of each panel by their names in a result, the first that is there; see ``metrics.curves``.
PANELS = (
    ({"roc_macro": "ROC, mean over classes", "roc": "ROC"}, "false positive rate", "true positive rate"),
    ({"pr_macro": "Precision and recall, mean over classes", "pr": "Precision and recall"}, "recall", "precision"),
    ({"calibration": "Calibration"}, "predicted probability", "observed frequency"),
)


def curve_figure(results: Sequence[ResponseResult]) -> str | None:
    """Draw one task's curves. Returns SVG; None for numbers, which have none."""
    plotted = [result for result in results if result.curves]
    if not plotted:
        return None
    label = f"ROC, precision and recall, and calibration of {plotted[0].task}; numbers in the table"
    return svg(
        lambda figure: _curves(figure, plotted),
        width=10,
        height=3.4,
        prefix=f"curves-{plotted[0].task}",
        label=label,
    )


def _curves(figure: Figure, results: Sequence[ResponseResult]) -> None:
    panels = figure.subplots(1, len(PANELS), squeeze=False)[0]
    by_name = colours(result.model for result in results)
    for axes, (kinds, x_label, y_label) in zip(panels, PANELS, strict=True):
        key = next((kind for kind in kinds if any(result.curves.get(kind) for result in results)), None)
        for result in results:
            points = result.curves.get(key or "", [])
            if points:
                x, y = zip(*points, strict=True)
                marker = "o" if key == "calibration" else None
                axes.plot(
                    x, y, color=by_name[result.model], label=short(result.model), marker=marker, markersize=3
                )
        if not x_label.startswith("recall"):
            axes.plot([0, 1], [0, 1], color=INK, alpha=0.3, linewidth=0.8)
        _framed(axes, kinds.get(key or "", ""), x_label, y_label)
    figure.legend(*panels[-1].get_legend_handles_labels(), loc="outside right upper", fontsize=8)


def _framed(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
