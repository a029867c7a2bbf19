"""The report as one self-contained page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from llmrec.evaluation.report import glossary, plots, tables
from llmrec.evaluation.report.summary import verdicts
from llmrec.evaluation.results import PromptExample, ReportData, Result
from llmrec.pages import environment

NOTHING = "–"


def page(report: ReportData) -> str:
    """Render the page. Titles, prompts and names are escaped: they come from strangers."""
    pages = environment(Path(__file__).parent)
    pages.filters |= {
        "metric": glossary.metric_name,
        "meaning": glossary.meaning,
        "encoding": glossary.encoding_meaning,
        "p_value": glossary.format_p_value,
    }
    results = report.results
    columns = report.context.protocol.columns
    others = [column for column in results[0].metrics if column not in columns]
    return pages.get_template("report.html.j2").render(
        report=report,
        names=[result.model for result in results],
        verdicts=verdicts(results, report.compared, report.context),
        context=report.context,
        level=f"{report.context.protocol.level * 100:g}",
        columns=columns,
        metric_names=[glossary.metric_name(column) for column in columns],
        best={column: max(result.metrics[column].mean for result in results) for column in columns},
        cost=_filled((*tables.COST, "everyone asked"), [_cost(result) for result in results]),
        others=others,
        beyond=_filled(
            (*map(glossary.metric_name, others), *tables.BEYOND),
            [
                [*(f"{one.metrics[name].mean:.3f}" for name in others), *tables.beyond_cells(one)]
                for one in results
            ],
        ),
        beyond_meanings=glossary.BEYOND,
        # The figures are our own SVG; model names in them were escaped by matplotlib.
        bars=plots.metric_bars(results, columns),
        curves=plots.learning_curves(results),
        by_history=plots.by_history(results),
        against_cost=plots.against_cost(results, columns[0]),
        prompts=_prompts(results),
        strongest=_strongest,
    )


def _prompts(results: Iterable[Result]) -> list[tuple[str, PromptExample]]:
    """Say what LLMs read: each prompt once, with who reads it, as an LLM alone and in stacks does."""
    readers: dict[PromptExample, list[str]] = {}
    for result in results:
        if result.prompt is not None:
            readers.setdefault(result.prompt, []).append(result.model)
    return [(f"{', '.join(names)} {'read' if names[1:] else 'reads'}", one) for one, names in readers.items()]


def _cost(result: Result) -> list[str]:
    return [*tables.cost_cells(result), glossary.duration(result.cost.recommend_seconds)]


def _filled(names: Sequence[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]]]:
    """Leave out the columns in which no row says anything."""
    said = [n for n in range(len(names)) if any(row[n] != NOTHING for row in rows)]
    return [names[n] for n in said], [[row[n] for n in said] for row in rows]


def _strongest(contributions: list[float | None]) -> float:
    """The largest contribution, which a card's bars are drawn relative to; never 0."""
    return max((abs(value) for value in contributions if value), default=1.0)
