"""The result table for terminals and for README files."""

from __future__ import annotations

import io

from rich.console import Console, Group, RenderableType
from rich.table import Table

from llmrec.evaluation.results import Result
from llmrec.evaluation.wording import amount, duration, metric_name

COST = ("training", "tokens/s", "memory", "one user (p50 / p95)", "device")


def header(columns: list[str], *, among: str | None = None) -> list[str]:
    """Column titles of the result table. ``among``: what was ranked, where it was not the whole catalog."""
    return [
        "model" if among is None else f"model, ranking {among}",
        *(metric_name(column) for column in columns),
        *COST,
    ]


def row(result: Result, columns: list[str]) -> list[str]:
    """One model's cells, as text."""
    return [result.model, *(str(result.metrics[column]) for column in columns), *cost_cells(result)]


def cost_cells(result: Result) -> list[str]:
    """A model's cost cells; – where a cost is not known."""
    cost = result.cost
    latency = f"{amount(cost.latency_p50_ms)} / {amount(cost.latency_p95_ms, 'ms')}"
    return [
        duration(cost.train_seconds),
        amount(cost.tokens_per_second),
        amount(cost.peak_memory_gib, "GiB"),
        "–" if cost.latency_p50_ms is None else latency,
        cost.device or "–",
    ]


def markdown(results: tuple[Result, ...], columns: list[str], *, among: str | None = None) -> str:
    """Write a GitHub table; the best mean of each metric is bold. ``among`` as in ``header``."""
    best = {column: max(result.metrics[column].mean for result in results) for column in columns}
    lines = [
        _line(header(columns, among=among)),
        _line(["---", *("---:" for _ in columns), *("---:" for _ in COST)]),
    ]
    for result in results:
        cells = row(result, columns)
        for place, column in enumerate(columns, start=1):
            interval = result.metrics[column]
            if interval.mean == best[column]:
                cells[place] = cells[place].replace(f"{interval.mean:.3f}", f"**{interval.mean:.3f}**", 1)
        lines.append(_line(cells))
    return "\n".join(lines) + "\n"


def terminal(results: tuple[Result, ...], columns: list[str], *, title: str) -> Group:
    """Lay out the result table for rich: accuracy, and cost below it, so that 80 columns are enough."""
    from rich.markup import escape

    cut = 1 + len(columns)
    names = header(columns)
    accuracy, cost = Table(title=escape(title), title_justify="left"), Table()
    for table, shown in ((accuracy, names[:cut]), (cost, [names[0], *names[cut:]])):
        for number, name in enumerate(shown):
            table.add_column(name, justify="right" if number else "left")
    for result in results:
        cells = [escape(cell) for cell in row(result, columns)]
        accuracy.add_row(*cells[:cut])
        cost.add_row(cells[0], *cells[cut:])
    return Group(accuracy, cost)


def plain(drawn: RenderableType) -> str:
    """Draw something of rich's as text without colours."""
    text = io.StringIO()
    Console(file=text, width=100, color_system=None).print(drawn)
    return text.getvalue().rstrip("\n")


def _line(cells: list[str]) -> str:
    escaped = (" ".join(cell.replace("\\", "\\\\").replace("|", "\\|").split()) for cell in cells)
    return f"| {' | '.join(escaped)} |"
