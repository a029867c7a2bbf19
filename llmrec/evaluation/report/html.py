"""The report as one self-contained page."""

from __future__ import annotations

from pathlib import Path

import jinja2

from llmrec.evaluation.report import glossary, plots, tables
from llmrec.evaluation.report.summary import verdicts
from llmrec.evaluation.results import ReportData

TEMPLATE = Path(__file__).with_name("report.html.j2")


def page(report: ReportData) -> str:
    """Render the page. Titles, prompts and names are escaped: they come from strangers."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "metric": glossary.metric_name,
        "meaning": glossary.meaning,
        "encoding": glossary.encoding_meaning,
        "duration": glossary.duration,
        "p_value": glossary.format_p_value,
    }
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    columns = report.context.protocol.columns
    return template.render(
        report=report,
        verdicts=verdicts(report.results, report.compared, report.context),
        context=report.context,
        columns=columns,
        cost_names=tables.COST,
        cost_cells=tables.cost_cells,
        beyond_names=tables.BEYOND,
        beyond_cells=tables.beyond_cells,
        beyond_meanings=glossary.BEYOND,
        best={column: max(result.metrics[column].mean for result in report.results) for column in columns},
        others=[column for column in report.results[0].metrics if column not in columns],
        # The figures are our own SVG; model names in them were escaped by matplotlib.
        bars=plots.metric_bars(report.results, columns),
        curves=plots.learning_curves(report.results),
        by_history=plots.by_history(report.results),
        against_cost=plots.against_cost(report.results, columns[0]),
        prompts=[result for result in report.results if result.prompt is not None],
        strongest=_strongest,
    )


def _strongest(contributions: list[float | None]) -> float:
    """The largest contribution, which a card's bars are drawn relative to; never 0."""
    return max((abs(value) for value in contributions if value), default=1.0)
