"""Ask a trained run: ``recommend``, ``similar``, ``explain``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer

from llmrec.cli.narrators import Backend, Model, Shape, Speak, Timeout, Tone, narrator_of
from llmrec.cli.output import Json, show
from llmrec.errors import DataError

if TYPE_CHECKING:
    from llmrec.data import Histories
    from llmrec.models import Recommender

Run = Annotated[Path, typer.Argument(help="A run directory.")]
User = Annotated[str | None, typer.Option("--user", help="A user of the training log.")]
History = Annotated[str | None, typer.Option("--history", help="Item ids, oldest first: ID,ID,...")]
Count = Annotated[int, typer.Option("-k", help="How many items.")]


def recommend(
    run: Run,
    user: User = None,
    history: History = None,
    k: Count = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Add a reason to each item.")] = False,
    backend: Backend = "auto",
    name: Model = None,
    timeout: Timeout = 30.0,
    language: Speak = "en",
    form: Shape = "sentence",
    tone: Tone = "plain",
    as_json: Json = False,
) -> None:
    """What a user does next."""
    from llmrec.models.runs import load_run

    model = load_run(run)
    narrator = narrator_of(model, backend, name, timeout)
    asked = histories_of(model, user, history)
    recs = model.recommend(asked, k)
    if recs.height < k:
        print(f"only {recs.height} items are left to recommend", file=sys.stderr)
    table = _titled(model, recs)
    if explain:
        from llmrec.reasons import explain as reason

        told = reason(
            model, recs, asked, narrator=narrator, language=_known(language), form=_known(form), tone=tone
        )
        table = table.with_columns(told["sentence"].alias("reason"), told["backend"])
    show(table.drop("user_id"), as_json=as_json)


def similar(
    run: Run,
    item: Annotated[str, typer.Option("--item", help="An item id.")],
    k: Count = 10,
    as_json: Json = False,
) -> None:
    """Which items are most like one."""
    from llmrec.models.runs import load_run

    model = load_run(run)
    found = model.similar_items([item], k).select(pl.col("similar_id").alias("item_id"), "rank", "score")
    show(_titled(model, found), as_json=as_json)


def explain(
    run: Run,
    item: Annotated[str, typer.Option("--item", help="The item to give a reason for.")],
    user: User = None,
    history: History = None,
    instead: Annotated[str | None, typer.Option("--instead", help="Say why not this item.")] = None,
    backend: Backend = "auto",
    name: Model = None,
    timeout: Timeout = 30.0,
    language: Speak = "en",
    form: Shape = "sentence",
    tone: Tone = "plain",
    as_json: Json = False,
) -> None:
    """Why an item fits a user: a sentence and the history items it rests on."""
    from llmrec.models.runs import load_run
    from llmrec.reasons import explain as reason

    model = load_run(run)
    asked = histories_of(model, user, history)
    model.catalog.code(item)
    table = reason(
        model,
        pl.DataFrame({"user_id": [asked.user_ids[0]], "item_id": [item]}),
        asked,
        instead=instead,
        narrator=narrator_of(model, backend, name, timeout),
        language=_known(language),
        form=_known(form),
        tone=tone,
    )
    if as_json:
        show(table.drop("rank"), as_json=True)
        return
    print(table["sentence"][0])
    if table["faults"][0].len():
        fate = "replaced" if table["backend"][0] == "template" else "written anew"
        print(f"(the LLM's sentence was {fate}: {'; '.join(table['faults'][0])})", file=sys.stderr)
    evidence = pl.DataFrame(table["evidence"][0].to_list())
    if evidence.height:
        show(evidence, as_json=False)


def _known(word: str) -> Any:
    """Pass a word on: ``explain`` checks it against the languages and forms there are."""
    return word


def histories_of(model: Recommender, user: str | None, history: str | None) -> Histories:
    """Find the history that is asked about. Raises DataError for an unknown user or no known item."""
    from llmrec.data import Histories

    if (user is None) == (history is None):
        raise DataError("say whose history: either --user ID or --history ID,ID,...")
    if user is not None:
        return model.histories.of_user(user)
    ids = [item.strip() for item in (history or "").split(",") if item.strip()]
    unknown = [item for item in ids if model.catalog.codes([item])[0] < 0]
    if ids and len(unknown) == len(ids):
        raise DataError(
            f"none of these items is in the catalog: {', '.join(ids[:5])}; see items.parquet of the run"
        )
    if unknown:
        print(f"not in the catalog, passed over: {', '.join(unknown)}", file=sys.stderr)
    return Histories.of({"you": ids})


def _titled(model: Recommender, table: pl.DataFrame) -> pl.DataFrame:
    return table.join(
        model.catalog.table.select("item_id", "title"), on="item_id", how="left", maintain_order="left"
    )
