"""What several verbs of the command line share: arguments, and options that are declared elsewhere."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

PreparedData = Annotated[
    Path, typer.Argument(help="A folder made by `llmrec data prepare`, or a name from `llmrec data list`.")
]
Run = Annotated[Path, typer.Argument(help="A run directory.")]
Count = Annotated[int, typer.Option("-k", help="How many items.", min=1)]
UsersFile = Annotated[
    Path | None,
    typer.Option("--users", metavar="FILE", help="Only these: one id a line, or user_id of .csv or .parquet."),
]
BasePath = Annotated[
    Path | None,
    typer.Option(
        "--base",
        metavar="PATH",
        help="Where the run's base model lies now, if it has moved; LLMREC_BASES names folders to look in.",
    ),
]
OutFolder = Annotated[Path, typer.Option("--out", help="The folder to write.")]


def declare_options(command: Callable[..., None], options: Mapping[str, Any]) -> None:
    """Replace the ``**options`` of a command by these annotations; what is not given is None, a flag False."""
    signature = inspect.signature(command, eval_str=True)
    fixed = [
        parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD
    ]
    declared = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if annotation.__origin__ is bool else None,
            annotation=annotation,
        )
        for name, annotation in options.items()
    ]
    command.__signature__ = signature.replace(parameters=[*fixed, *declared])  # type: ignore[attr-defined]


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that the command line gives; 0 is given, too."""
    return {name: value for name, value in options.items() if not (value is None or value is False or value == [])}
