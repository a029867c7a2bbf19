"""The result table for terminals and for README files."""

from __future__ import annotations

import io

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table

from llmrec.evaluation.report.glossary import amount, duration, metric_name
from llmrec.evaluation.results import Result, Seeds
from llmrec.printable import printable

COST = ("training", "tokens/s", "memory", "one user (p50 / p95)", "device")
BEYOND = ("coverage", "novelty", "diversity", "popularity", "miscalibration")


# A terminal has room for the slices of so many models.
SLICED_MODELS = 5


def header(columns: list[str], *, among: str | None = None) -> list[str]:
    """Column titles of the result table. ``among``: what was ranked, where it was not the whole catalog."""
    return [
        "model" if among is None else f"model, ranking {among}",
        *(metric_name(column) for column in columns),
        *COST,
    ]


def _metric(result: Result, column: str) -> str:
    """Write a mean with its interval; one user's has none."""
    interval = result.metrics[column]
    return str(interval) if result.users > 1 else f"{interval.mean:.3f}"


def row(result: Result, columns: list[str]) -> list[str]:
    """One model's cells, as text."""
    return [result.model, *(_metric(result, column) for column in columns), *cost_cells(result)]


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
    rows = [
        _line(header(columns, among=among)),
        _line(["---", *("---:" for _ in columns), *("---:" for _ in COST)]),
    ]
    for result in results:
        cells = row(result, columns)
        for index, column in enumerate(columns, start=1):
            interval = result.metrics[column]
            if interval.mean == best[column]:
                cells[index] = cells[index].replace(f"{interval.mean:.3f}", f"**{interval.mean:.3f}**", 1)
        rows.append(_line(cells))
    return "\n".join(rows) + "\n"


def terminal(results: tuple[Result, ...], columns: list[str], *, title: str) -> Group:
    """Lay out the result table for rich: accuracy, and cost below it, so that 80 columns are enough."""
    cut = 1 + len(columns)
    names, rows = header(columns), [row(result, columns) for result in results]
    accuracy = _table(names[:cut], [cells[:cut] for cells in rows])
    accuracy.title, accuracy.title_justify = escape(printable(title)), "left"
    return Group(accuracy, _table([names[0], *names[cut:]], [[cells[0], *cells[cut:]] for cells in rows]))


def beyond_cells(result: Result) -> list[str]:
    """A model's cells beyond accuracy, as ``BEYOND`` names them; – where the data cannot say."""
    beyond = result.beyond
    if beyond is None:
        return ["–"] * len(BEYOND)
    lift = "" if beyond.popularity_lift is None else f" ({beyond.popularity_lift:+.0%})"
    novelty, diversity, calibration = (
        "–" if one is None else f"{one.mean:.{digits}f}"
        for one, digits in ((beyond.novelty, 2), (beyond.diversity, 3), (beyond.miscalibration, 3))
    )
    popularity = "–" if beyond.popularity is None else f"{beyond.popularity.mean:.1%}{lift}"
    return [f"{beyond.coverage:.1%}", novelty, diversity, popularity, calibration]


def slice_table(results: tuple[Result, ...]) -> Table:
    """Lay out the first metric's mean on each slice of the queries, a column for each of the first models."""
    more, results = len(results) - SLICED_MODELS, results[:SLICED_MODELS]
    means = [{(part.by, part.name): f"{part.interval.mean:.3f}" for part in result.slices} for result in results]
    first = results[0].slices
    rows = [
        [f"{part.by}: {part.name}", *(of.get((part.by, part.name), "–") for of in means), f"{part.users:,}"]
        for part in first
    ]
    table = _table([metric_name(first[0].metric), *(result.model for result in results), "users"], rows)
    table.caption = f"and {more} more in report.html" if more > 0 else None
    return table


def more(results: tuple[Result, ...], seeds: tuple[Seeds, ...], columns: list[str]) -> list[Table]:
    """Lay out what comes after accuracy and cost: slices, beyond accuracy, and seeds where there are any."""
    tables = [slice_table(results)] if results[0].slices else []
    if any(result.beyond for result in results):
        tables.append(_table(["model", *BEYOND], [[result.model, *beyond_cells(result)] for result in results]))
    if seeds:
        rows = [
            [one.recipe, ", ".join(map(str, one.seeds)), *(str(one.metrics[column]) for column in columns)]
            for one in seeds
        ]
        tables.append(_table(["recipe", "seeds", *(metric_name(column) for column in columns)], rows))
    return tables


def _table(names: list[str], rows: list[list[str]]) -> Table:
    table = Table()
    for number, name in enumerate(names):
        table.add_column(name, justify="right" if number else "left")
    for cells in rows:
        table.add_row(*(escape(printable(cell)) for cell in cells))
    return table


def plain(drawn: RenderableType) -> str:
    """Draw something of rich's as text without colours."""
    text = io.StringIO()
    Console(file=text, width=100, color_system=None).print(drawn)
    return text.getvalue().rstrip("\n")


def _line(cells: list[str]) -> str:
    escaped = (" ".join(cell.replace("\\", "\\\\").replace("|", "\\|").split()) for cell in cells)
    return f"| {' | '.join(escaped)} |"
