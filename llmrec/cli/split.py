"""``llmrec data split``: hold events out, and keep the split."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer

from llmrec.cli.output import Json, show
from llmrec.data.splits.named import NAMED_SPLITS, SplitOption

HELD_OUT = ", ".join(f"{name} ({strategy.held_out})" for name, strategy in NAMED_SPLITS.items())


def split(
    folder: Annotated[
        Path, typer.Argument(help="A folder made by `llmrec data prepare`, or a name from `llmrec data list`.")
    ],
    strategy: Annotated[
        str,
        typer.Option("--split", metavar="NAME", help=f"What is held out for test and for validation: {HELD_OUT}."),
    ] = "leave-last-out",
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the split there; else it is only shown.")
    ] = None,
    as_json: Json = False,
    **options: Any,
) -> None:
    """Split prepared data into train, validation and test; show the counts and the hash that results name."""
    from llmrec.data import Dataset, Split

    given = {name: value for name, value in options.items() if value is not None}
    splits = Split.all_by_name(strategy, Dataset.load(folder), **given)
    rows = []
    for one in splits:
        if out is not None:
            one.save(out / one.name if len(splits) > 1 else out)
        counts = np.bincount(one.parts, minlength=4).tolist()
        rows.append((one.name, *counts, len(one.test.histories), one.hash[:16]))
    names = ["split", "train", "valid", "test", "context only", "test users", "hash"]
    show(pl.DataFrame(rows, schema=names, orient="row"), as_json=as_json)


def _with_options_of_strategies() -> inspect.Signature:
    """Give the command every option that a strategy declares, each saying whose it is."""
    options: dict[str, dict[str, SplitOption]] = {}
    for strategy in NAMED_SPLITS.values():
        for option in strategy.options.values():
            options.setdefault(option.name, {})[strategy.name] = option
    signature = inspect.signature(split, eval_str=True)
    fixed = [parameter for parameter in signature.parameters.values() if parameter.name != "options"]
    return signature.replace(parameters=[*fixed, *(_parameter(name, of) for name, of in options.items())])


def _parameter(name: str, of_strategies: dict[str, SplitOption]) -> inspect.Parameter:
    by_help: dict[str, list[str]] = {}
    for strategy, option in of_strategies.items():
        default = "" if option.default is None else f" ({option.default})"
        by_help.setdefault(f"{option.help}{default}", []).append(strategy)
    text = "; ".join(f"{', '.join(strategies)}: {help}" for help, strategies in by_help.items())
    kind = next(iter(of_strategies.values())).type
    annotation = Annotated[kind | None, typer.Option(help=f"{text}.")]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


split.__signature__ = _with_options_of_strategies()  # type: ignore[attr-defined]
