"""The report: the results of an evaluation, shown as tables and as a page, saved and read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError
from rich.console import Group

from llmrec.data.notebook import ShownAsTable
from llmrec.errors import DataError
from llmrec.evaluation.report import tables
from llmrec.evaluation.report.summary import verdicts
from llmrec.evaluation.results import Card, Comparison, ReasonCounts, ReportData, Result
from llmrec.resources.cache import replace_file

JSON, HTML = "report.json", "report.html"


class Report(ShownAsTable, ReportData):
    """What ``evaluate`` returns: tables, verdicts, a page; saved and read back. Frozen.

    >>> from llmrec import Split, evaluate
    >>> from llmrec.data import toy_films
    >>> from llmrec.models import PopularityRecommender
    >>> split = Split.leave_last_out(toy_films())
    >>> report = evaluate({"popularity": PopularityRecommender().fit(split.train)}, split)
    >>> report.verdicts[0]
    'popularity scores 0.307 in NDCG@10 (95 % interval 0.247 to 0.370).'
    """

    @property
    def table(self) -> pl.DataFrame:
        """One row per model: ``model, kind``, each metric with ``_low`` and ``_high``, beyond accuracy, cost.

        Where less than the catalog was ranked, ``among`` says what.
        """
        among = {} if self.context.choices is None else {"among": self.context.among}
        rows = [_row(result) | among for result in self.results]
        return pl.DataFrame(rows, infer_schema_length=None)

    @property
    def comparisons(self) -> pl.DataFrame:
        """One row per metric and other model: ``metric, model, against, difference, ..., ratio, p_value``."""
        schema = {"metric": pl.String, "model": pl.String, "against": pl.String}
        numbers = dict.fromkeys(("difference", "difference_low", "difference_high", "ratio", "p_value"))
        more = {"intervals_overlap": pl.Boolean, "p_adjusted": pl.Float64, "comparisons": pl.Int64}
        types = schema | dict.fromkeys(numbers, pl.Float64) | more
        return pl.DataFrame([_compared(row) for row in self.compared], schema=types)

    @property
    def verdicts(self) -> list[str]:
        """What the numbers show, in sentences made from them."""
        return verdicts(self.results, self.compared, self.context)

    def with_showcase(
        self,
        cards: Iterable[Mapping[str, Any]],
        *,
        written_by_llm: int | None = None,
        replaced_by_template: int | None = None,
        written_by_template: int | None = None,
    ) -> Report:
        """Return the report with users to look at and, if given, who worded how many of all reasons.

        A card has ``user_id``, ``history`` (newest first; texts, or mappings with ``title`` and ``meta``),
        ``recommendations`` (``rank, title, meta, reason, evidence, backend``; evidence: ``title,
        contribution``), ``answer`` and ``answer_rank``. Raises DataError naming the field that is wrong.
        """
        try:
            shown = tuple(Card.model_validate(dict(card)) for card in cards)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise DataError(f"card: {field}: {first['msg']} (got {first['input']!r})") from error
        given = {
            "written_by_llm": written_by_llm,
            "replaced_by_template": replaced_by_template,
            "written_by_template": written_by_template,
        }
        known = {name: count for name, count in given.items() if count is not None}
        counts = ReasonCounts(**known) if known else None
        return self.model_copy(update={"cards": shown, "reasons": counts})

    def to_dict(self) -> dict[str, Any]:
        """Return what report.json holds: plain values only."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, source: str = "report") -> Report:
        """Check and read what ``to_dict`` returned. Raises DataError naming the field."""
        try:
            return cls.model_validate_json(json.dumps(values))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise DataError(f"{source}: {field}: {first['msg']}; evaluate again") from error

    @classmethod
    def load(cls, path: str | Path) -> Report:
        """Read a report.json, or the one in a folder. Raises DataError if it is not there or damaged."""
        file = Path(path) / JSON if Path(path).is_dir() else Path(path)
        if not file.is_file():
            raise DataError(f"there is no report at {file}; make one with: llmrec evaluate RUN --out DIR")
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{file} is damaged ({error}); evaluate again") from error
        if not isinstance(values, dict):
            raise DataError(f"{file} is not a report: it holds a {type(values).__name__}; evaluate again")
        return cls.from_dict(values, source=str(file))

    def to_html(self) -> str:
        """Return one self-contained page for readers who do not know the code."""
        from llmrec.evaluation.report.html import page

        return page(self)

    def to_markdown(self) -> str:
        """Return the result table for a README."""
        among = None if self.context.choices is None else self.context.among
        return tables.markdown(self.results, self.context.protocol.columns, among=among)

    def save(self, folder: str | Path) -> None:
        """Write report.json and report.html, each whole or not at all; earlier ones are replaced.

        Raises EnvironmentFault where the folder cannot be written.
        """
        path = Path(folder)
        values = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        for name, text in ((HTML, self.to_html()), (JSON, values)):
            replace_file(path / name, text)

    def __rich__(self) -> Group:
        """Draw the result tables in a terminal: accuracy, cost, slices, beyond accuracy, seeds."""
        more = tables.more(self.results, self.seeds, self.context.protocol.columns)
        return Group(*self._short().renderables, *more)

    def __repr__(self) -> str:
        return tables.plain(self._short())

    __str__ = __repr__

    def _caption(self) -> str:
        return " ".join(self.verdicts)

    def _shown(self) -> pl.DataFrame:
        columns = self.context.protocol.columns
        return self.table.select("model", *(name for name in columns if name in self.table.columns), "users")

    def _short(self) -> Group:
        context = self.context
        title = f"{context.data}, {context.fold} fold of {context.split}: {context.users:,} users, {context.among}"
        return tables.terminal(self.results, context.protocol.columns, title=title)


def _row(result: Result) -> dict[str, object]:
    row: dict[str, object] = {"model": result.model, "kind": result.kind}
    for column, interval in result.metrics.items():
        row |= {column: interval.mean, f"{column}_low": interval.low, f"{column}_high": interval.high}
    if result.beyond is not None:
        row |= {name: getattr(value, "mean", value) for name, value in result.beyond}
    return row | {"users": result.users} | result.cost.model_dump()


def _compared(row: Comparison) -> dict[str, object]:
    difference = row.difference
    return row.model_dump(exclude={"difference"}) | {
        "difference": difference.mean,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }
