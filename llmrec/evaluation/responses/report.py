"""The report on predicted responses: a value that can be shown, saved as JSON and as one page."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from llmrec.data.responses import TASKS
from llmrec.errors import DataError
from llmrec.evaluation.responses.plots import figures
from llmrec.evaluation.responses.results import ResponseResult
from llmrec.resources.cache import replace_file

JSON, HTML = "responses.json", "responses.html"
# The metrics in each task's table; the JSON has all.
CLASS_COLUMNS = ("roc_auc", "pr_auc", "f1", "accuracy", "log_loss", "calibration_error")
NUMBER_COLUMNS = ("mae", "rmse")
SMALLER_IS_BETTER = ("log_loss", "calibration_error", "mae", "rmse")


class ResponseReport(BaseModel):
    """Results by model and task. Frozen."""

    # An AUC of a task with a single class is NaN, which JSON has no number for: written as null, read as NaN.
    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    split: str
    events: int
    users: int
    results: tuple[ResponseResult, ...]
    versions: dict[str, str]
    machine: dict[str, str | int]

    @property
    def tasks(self) -> list[str]:
        """The tasks that have results."""
        return list(dict.fromkeys(result.task for result in self.results))

    @property
    def table(self) -> pl.DataFrame:
        """One row per task, model and metric: ``task, model, metric, value, low, high, events``."""
        rows = [
            {
                "task": result.task,
                "model": result.model,
                "metric": name,
                "value": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "events": result.events,
            }
            for result in self.results
            for name, interval in result.metrics.items()
        ]
        return pl.DataFrame(rows)

    def of(self, task: str) -> list[ResponseResult]:
        """The results of one task."""
        return [result for result in self.results if result.task == task]

    def to_markdown(self) -> str:
        """Return a table for each task, the best value of each column in bold."""
        parts = []
        for task in self.tasks:
            results = self.of(task)
            columns = _columns(results)
            head = f"| {task} ({results[0].events:,} events) | {' | '.join(columns)} |"
            lines = [head, "| --- |" + " ---: |" * len(columns)]
            for result in results:
                cells = [_cell(result, column, results) for column in columns]
                lines.append(f"| {result.model} | {' | '.join(cells)} |")
            parts.append("\n".join(lines))
        return "\n\n".join(parts) + "\n"

    def to_html(self) -> str:
        """Return one self-contained page with tables and plots."""
        parts = [
            f"<h1>Predicted responses: {html.escape(self.data)}</h1>"
            f"<p>{self.events:,} events of {self.users:,} users, split by {html.escape(self.split)}. Each was "
            "predicted from its user's strictly earlier events. In brackets: 95 % intervals, by bootstrap over "
            "users.</p>"
        ]
        for task in self.tasks:
            parts.append(f"<section><h2>{html.escape(task)}</h2><p>{_meaning(task)}</p>{self._rows(task)}")
            parts.extend(f"<figure>{figure}</figure>" for figure in figures(self.of(task)))
            parts.append("</section>")
        style = (
            "body{font:16px/1.5 system-ui,sans-serif;max-width:1000px;margin:2rem auto;padding:0 1rem}"
            "table{border-collapse:collapse}"
            "td,th{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #8884}"
            "td:first-child,th:first-child{text-align:left}figure{margin:1rem 0}svg{max-width:100%;height:auto}"
            ":root{color-scheme:light dark}"
        )
        policy = "default-src 'none'; style-src 'unsafe-inline'"
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
            f"<title>Responses: {html.escape(self.data)}</title><style>{style}</style></head>"
            f"<body>{''.join(parts)}</body></html>\n"
        )

    def save(self, folder: str | Path) -> None:
        """Write responses.json and responses.html, each whole or not at all. Raises EnvironmentFault."""
        text = json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        for name, content in ((HTML, self.to_html()), (JSON, text)):
            replace_file(Path(folder) / name, content)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, NaN as None."""
        values: dict[str, Any] = json.loads(self.model_dump_json())
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any], *, source: str = "report") -> ResponseReport:
        """Read what ``to_dict`` returned. Raises DataError."""
        try:
            results = [
                result | {"metrics": {name: _floats(interval) for name, interval in result["metrics"].items()}}
                for result in values["results"]
            ]
            return cls.model_validate(values | {"results": results})
        except (KeyError, TypeError, AttributeError, ValidationError) as error:
            raise DataError(f"{source} is no report on responses; evaluate the runs again") from error

    @classmethod
    def load(cls, path: str | Path) -> ResponseReport:
        """Read what ``save`` wrote, from a file or a folder. Raises DataError."""
        file = Path(path) / JSON if Path(path).is_dir() else Path(path)
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{file} cannot be read ({error}); evaluate the runs again") from error
        return cls.from_dict(values, source=str(file))

    def _rows(self, task: str) -> str:
        results = self.of(task)
        columns = _columns(results)
        head = "".join(f"<th>{column.replace('_', ' ')}</th>" for column in columns)
        rows = "".join(
            f"<tr><td>{html.escape(result.model)}</td>"
            + "".join(f"<td>{result.metrics[column]}</td>" for column in columns)
            + "</tr>"
            for result in results
        )
        return f"<table><tr><th>model</th>{head}</tr>{rows}</table>"


def _meaning(task: str) -> str:
    """The sentence on what is predicted; empty for a task of another package that is not imported."""
    return html.escape(TASKS[task].meaning) if task in TASKS else ""


def _columns(results: list[ResponseResult]) -> list[str]:
    wanted = CLASS_COLUMNS if "accuracy" in results[0].metrics else NUMBER_COLUMNS
    return [column for column in wanted if column in results[0].metrics]


def _cell(result: ResponseResult, column: str, results: list[ResponseResult]) -> str:
    best = (min if column in SMALLER_IS_BETTER else max)(other.metrics[column].mean for other in results)
    interval = result.metrics[column]
    mean = f"{interval.mean:.3f}"
    return f"{f'**{mean}**' if interval.mean == best else mean} [{interval.low:.3f}, {interval.high:.3f}]"


def _floats(interval: dict[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if value is None else value for name, value in interval.items()}
