"""The report on predicted responses: a value that can be shown, saved as JSON and as one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from llmrec.errors import DataError
from llmrec.evaluation.responses.results import ResponseResult
from llmrec.evaluation.responses.summary import best, columns_of
from llmrec.resources.cache import replace_file

JSON, HTML = "responses.json", "responses.html"


class ResponseReport(BaseModel):
    """Results by model and task. Frozen.

    >>> about = {"data": "shop", "split": "global-time", "events": 0, "users": 0}
    >>> ResponseReport(**about, results=(), versions={}, machine={}).tasks
    []
    """

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
            columns = columns_of(results)
            head = f"| {task} ({results[0].events:,} events) | {' | '.join(columns)} |"
            lines = [head, "| --- |" + " ---: |" * len(columns)]
            for result in results:
                cells = [_cell(result, column, results) for column in columns]
                lines.append(f"| {result.model} | {' | '.join(cells)} |")
            parts.append("\n".join(lines))
        return "\n\n".join(parts) + "\n"

    def to_html(self) -> str:
        """Return one self-contained page: who predicts better than the prior, tables, curves, matrices."""
        from llmrec.evaluation.responses.html import page

        about = self.model_dump(include={"data", "split", "events", "users", "versions", "machine"})
        return page([self.of(task) for task in self.tasks], **about)

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


def _cell(result: ResponseResult, column: str, results: list[ResponseResult]) -> str:
    interval = result.metrics[column]
    mark = "**" if interval.mean == best(results, column) else ""
    return f"{mark}{interval.mean:.3f}{mark} [{interval.low:.3f}, {interval.high:.3f}]"


def _floats(interval: dict[str, float | None]) -> dict[str, float]:
    return {name: float("nan") if value is None else value for name, value in interval.items()}
