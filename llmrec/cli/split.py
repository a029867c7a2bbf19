"""``llmrec data split``: cut prepared data, and keep the cut."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import polars as pl
import typer

from llmrec.cli.output import Json, show
from llmrec.errors import DataError

if TYPE_CHECKING:
    from llmrec.data import Dataset, Split


class Name(StrEnum):
    """The ways to cut."""

    leave_last_out = "leave-last-out"
    leave_last_k = "leave-last-k"
    global_time = "global-time"
    rolling = "rolling"
    user_disjoint = "user-disjoint"
    cold_items = "cold-items"
    per_session = "per-session"


def split(
    folder: Annotated[
        Path, typer.Argument(help="A folder made by `llmrec data prepare`, or a name from `llmrec data list`.")
    ],
    how: Annotated[Name, typer.Option("--split", help="How to cut.")] = Name.leave_last_out,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the split there; else it is only shown.")
    ] = None,
    k: Annotated[int, typer.Option(help="leave-last-k: how many events.")] = 5,
    valid_from: Annotated[
        str | None, typer.Option(help="global-time: start of validation, e.g. 2024-05-31.")
    ] = None,
    test_from: Annotated[str | None, typer.Option(help="global-time: start of the test.")] = None,
    windows: Annotated[int, typer.Option(help="rolling: how many cuts.")] = 3,
    share: Annotated[float, typer.Option(help="user-disjoint, cold-items: part of them in test.")] = 0.1,
    gap: Annotated[int | None, typer.Option(help="per-session: seconds of pause between sessions.")] = None,
    seed: Annotated[int, typer.Option(help="user-disjoint, cold-items: the choice.")] = 0,
    as_json: Json = False,
) -> None:
    """Cut prepared data into train, validation and test; show the counts and the hash that results name."""
    from llmrec.data import Dataset, Split

    data = Dataset.load(folder)
    if how is Name.rolling:
        found = Split.rolling(data, windows=windows)
    elif how is Name.global_time:
        found = [
            Split.global_time(data, valid_from=_timestamp_group(valid_from), test_from=_timestamp_group(test_from))
        ]
    else:
        found = [_cut(data, how, k=k, share=share, seed=seed, gap=gap)]
    rows = []
    for one in found:
        if out is not None:
            one.save(out / one.name if len(found) > 1 else out)
        counts = np.bincount(one.parts, minlength=4).tolist()
        rows.append((one.name, *counts, len(one.test.histories), one.hash[:16]))
    names = ["split", "train", "valid", "test", "aside", "test users", "hash"]
    show(pl.DataFrame(rows, schema=names, orient="row"), as_json=as_json)


def _cut(data: Dataset, how: Name, *, k: int, share: float, seed: int, gap: int | None) -> Split:
    from llmrec.data import Split

    if how is Name.leave_last_k:
        return Split.leave_last_k(data, k=k)
    if how is Name.user_disjoint:
        return Split.user_disjoint(data, share=share, seed=seed)
    if how is Name.cold_items:
        return Split.cold_items(data, share=share, seed=seed)
    if how is Name.per_session:
        return Split.per_session(data, gap=gap)
    return Split.leave_last_out(data)


def _timestamp_group(text: str | None) -> int | None:
    """Read a moment from the command line, in any form that a log may have."""
    from llmrec.data.cleaning.timestamps import MICROS, to_micros

    if text is None:
        return None
    micros = to_micros(pl.Series("time", [text]), label="command line")[0]
    if micros is None:
        raise DataError(f"'{text}' is no time; write Unix seconds or ISO 8601, e.g. 2024-05-31T18:00Z")
    return int(micros) // MICROS
