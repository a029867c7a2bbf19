"""``llmrec data split``: hold events out, and keep the split."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer

from llmrec.cli.arguments import PreparedData, declare_options, given_options
from llmrec.cli.output import Json, show
from llmrec.data.splits.named import NAMED_SPLITS, NONE, SplitOption
from llmrec.errors import DataError

HELD_OUT = ", ".join(f"{name} ({strategy.held_out})" for name, strategy in NAMED_SPLITS.items())


def split(
    folder: PreparedData,
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
    if strategy == NONE:
        raise DataError(
            "the split none holds nothing out, so there is nothing to cut: llmrec fit --split none takes it"
        )
    from llmrec.data import Dataset, Split

    splits = Split.all_by_name(strategy, Dataset.load(folder), **given_options(options))
    rows = []
    for one in splits:
        if out is not None:
            one.save(out / one.name if len(splits) > 1 else out)
        counts = np.bincount(one.parts, minlength=4).tolist()
        rows.append((one.name, *counts, one.test.answers.height, len(one.test.histories), one.hash[:16]))
    names = ["split", "train", "valid", "test", "context only", "test answers", "test users", "hash"]
    show(pl.DataFrame(rows, schema=names, orient="row"), as_json=as_json)


def _options_of_strategies() -> dict[str, Any]:
    """Return every option that a strategy declares, each saying whose it is."""
    options: dict[str, dict[str, SplitOption]] = {}
    for strategy in NAMED_SPLITS.values():
        for option in strategy.options.values():
            options.setdefault(option.name, {})[strategy.name] = option
    return {name: _annotation(by_strategy) for name, by_strategy in options.items()}


def _annotation(by_strategy: dict[str, SplitOption]) -> Any:
    strategies: dict[str, list[str]] = {}
    for strategy, option in by_strategy.items():
        default = "" if option.default is None else f" ({option.default})"
        strategies.setdefault(f"{option.help}{default}", []).append(strategy)
    text = "; ".join(f"{', '.join(names)}: {help}" for help, names in strategies.items())
    kind = next(iter(by_strategy.values())).type
    return Annotated[kind | None, typer.Option(help=f"{text}.")]


declare_options(split, _options_of_strategies())
