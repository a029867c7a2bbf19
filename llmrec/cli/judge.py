"""``llmrec evaluate``: judge runs on the same questions."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated

import typer

from llmrec.cli.show import Json, show
from llmrec.errors import DataError


def evaluate(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")],
    data: Annotated[Path, typer.Option("--data", help="The folder of prepared data they were trained on.")],
    out: Annotated[Path, typer.Option("--out", help="Where report.json and report.html go.")],
    protocol: Annotated[str, typer.Option("--protocol", help="How to judge.")] = "leave-last-out",
    allow_leak: Annotated[
        list[str] | None,
        typer.Option("--allow-leak", metavar="NAME", help="Judge although there is this leak; it is recorded."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Rank the whole catalog for every held-out user; the first run is compared with the others."""
    from rich.console import Console

    import llmrec
    from llmrec.models.runs import load_run

    table = llmrec.Dataset.load(data)
    split = llmrec.Split.leave_last_out(table)
    names = _names(runs)
    models = {name: load_run(run) for name, run in zip(names, runs, strict=True)}
    for run, model in zip(runs, models.values(), strict=True):
        if model.facts["data"]["fingerprint"] != split.train.fingerprint:
            raise DataError(
                f"{run} was trained on other events than the training part of {data}: it may have seen the "
                "answers; train it with: llmrec fit --data " + str(data)
            )
    report = llmrec.evaluate(
        models, split, protocol=protocol, progress=True, date=datetime.date.today(), allow_leaks=allow_leak or ()
    )
    report.save(out)
    if as_json:
        show(report.table, as_json=True)
        return
    Console().print(report)
    print(out / "report.html")


def _names(runs: list[Path]) -> list[str]:
    """Name runs by their folder, or by their whole path where two folders share a name."""
    names = [run.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]
