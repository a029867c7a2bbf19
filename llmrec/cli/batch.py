"""``llmrec batch``: recommendations, user vectors or reasons for all users, as Parquet files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmrec.cli.arguments import BasePath, Count, OutFolder, Run, UsersFile, declare_options, given_options
from llmrec.cli.commands import add, group
from llmrec.cli.filter_options import LISTS, lists_of
from llmrec.cli.narrators import (
    Backend,
    FormName,
    LanguageName,
    Model,
    Timeout,
    Tone,
    check_backend,
    is_server,
    narrator_of,
)
from llmrec.cli.output import say
from llmrec.errors import Interrupted

if TYPE_CHECKING:
    from llmrec.jobs import BatchResult

OtherData = Annotated[
    Path | None,
    typer.Option("--data", help="Prepared data with the users' histories; by default those that the run keeps."),
]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", help="local (default), or ray: one worker a CPU (pip install 'llmrec[ray]')."),
]
Workers = Annotated[int | None, typer.Option("--workers", help="How many workers of ray.", min=1)]
Rows = Annotated[
    int | None, typer.Option("--rows-per-part", help="The most rows of a file, which is written whole.", min=1)
]
# What every job takes, as ``llmrec.batch`` does.
OPTIONS: dict[str, Any] = {
    "users": UsersFile,
    "data": OtherData,
    "engine": EngineName,
    "workers": Workers,
    "rows_per_part": Rows,
    "base": BasePath,
}
Concurrency = Annotated[
    int, typer.Option("--concurrency", help="How many reasons a server words at a time.", min=1)
]


def recommend(run: Run, out: OutFolder, k: Count = 10, **options: Any) -> None:
    """What every user does next: user_id, item_id, rank, score."""
    _answer(run, out, job="recommend", k=k, **options)


def embed(run: Run, out: OutFolder, **options: Any) -> None:
    """Every user's vector in the space of the items: user_id, vector."""
    _answer(run, out, job="embed", **options)


def explain(
    run: Run,
    out: OutFolder,
    k: Count = 10,
    backend: Backend = "auto",
    name: Model = None,
    timeout: Timeout = 30.0,
    concurrency: Concurrency = 16,
    language: LanguageName = "en",
    form: FormName = "sentence",
    tone: Tone = "plain",
    **options: Any,
) -> None:
    """Why each recommended item fits: user_id, item_id, rank, sentence, evidence and more.

    With the address of an OpenAI-compatible server as --backend (vLLM), so many reasons are worded at a time as
    --concurrency says. Where a tenth of a part's reasons do not come, it is not written.
    """
    from llmrec.jobs import Wording
    from llmrec.reasons.address import shown_address

    check_backend(backend, name)
    wording: dict[str, Any] = {"language": language, "form": form, "tone": tone, "model": name}
    wording["name"] = shown_address(backend) if is_server(backend) else backend
    wording["narrator"] = partial(
        narrator_of, backend=backend, name=name, timeout=timeout, concurrency=concurrency
    )
    _answer(run, out, job="explain", k=k, wording=Wording(**wording), **options)


def _answer(run: Path, out: Path, **options: Any) -> None:
    """Do a batch job, and say what is written."""
    import llmrec

    given = given_options({name: value for name, value in options.items() if name not in LISTS})
    try:
        result: BatchResult = llmrec.batch(run, out, progress=True, **given, **lists_of(options))
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted; the same command goes on after the last whole part") from error
    written = f"{result.written} of {result.n_parts} parts written now" if result.written else "it was complete"
    say(f"{result.folder}: {options['job']} of {result.n_users:,} users; {written}")


declare_options(recommend, OPTIONS | LISTS)
declare_options(explain, OPTIONS | LISTS)
declare_options(embed, OPTIONS)
app = group("Answer all users of a run, into Parquet files; the same command goes on where it stopped.")
for command in (recommend, embed, explain):
    add(app, command)
