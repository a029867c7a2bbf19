"""Ask a trained run: ``recommend``, ``similar``, ``explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer

from llmrec.cli.arguments import BasePath
from llmrec.cli.filter_options import Allow, AtMost, Boost, Deny, Diversity, Where, filter_of
from llmrec.cli.narrators import Backend, FormName, LanguageName, Model, Timeout, Tone, narrator_of
from llmrec.cli.output import Json, say, show
from llmrec.errors import DataError

if TYPE_CHECKING:
    from llmrec.data import Catalog, Histories
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
    language: LanguageName = "en",
    form: FormName = "sentence",
    tone: Tone = "plain",
    where: Where = None,
    allow: Allow = None,
    deny: Deny = None,
    at_most: AtMost = None,
    boost: Boost = None,
    diversity: Diversity = 0.0,
    base: BasePath = None,
    as_json: Json = False,
) -> None:
    """What a user does next."""
    from llmrec.models.runs import load_run

    chosen = filter_of(where, allow, deny, at_most, boost)
    model = load_run(run, base=base)
    narrator = narrator_of(model, backend, name, timeout)
    histories = histories_of(model, user, history)
    recs = model.recommend(histories, k, filter=chosen, diversity=diversity)
    if recs.height < k:
        say(f"only {recs.height} items are left to recommend", error=True)
    table = _titled(model.catalog, recs)
    if explain:
        from llmrec.reasons import explain as reason

        wording = {"language": _unchecked(language), "form": _unchecked(form), "tone": tone}
        explanations = reason(model, recs, histories, narrator=narrator, **wording)
        table = table.with_columns(explanations["sentence"].alias("reason"), explanations["backend"])
    show(table.drop("user_id"), as_json=as_json)


def similar(
    run: Run,
    item: Annotated[str, typer.Option("--item", help="An item id.")],
    k: Count = 10,
    base: BasePath = None,
    as_json: Json = False,
) -> None:
    """Which items are most like one."""
    from llmrec.models.runs import load_run, require_finished
    from llmrec.models.saved_vectors import similar_in_run

    require_finished(run)
    saved = None if base else similar_in_run(run, [item], k)
    if saved is None:
        model = load_run(run, base=base)
        saved = model.similar_items([item], k), model.catalog
    similar_items, catalog = saved
    table = similar_items.select(pl.col("similar_id").alias("item_id"), "rank", "score")
    show(_titled(catalog, table), as_json=as_json)


def explain(
    run: Run,
    item: Annotated[str, typer.Option("--item", help="The item to give a reason for.")],
    user: User = None,
    history: History = None,
    instead: Annotated[str | None, typer.Option("--instead", help="Say why not this item.")] = None,
    backend: Backend = "auto",
    name: Model = None,
    timeout: Timeout = 30.0,
    language: LanguageName = "en",
    form: FormName = "sentence",
    tone: Tone = "plain",
    base: BasePath = None,
    as_json: Json = False,
) -> None:
    """Why an item fits a user: a sentence and the history items it rests on."""
    from llmrec.models.runs import load_run
    from llmrec.reasons import explain as reason

    model = load_run(run, base=base)
    histories = histories_of(model, user, history)
    model.catalog.code(item)
    explanations = reason(
        model,
        pl.DataFrame({"user_id": [histories.user_ids[0]], "item_id": [item]}),
        histories,
        instead=instead,
        narrator=narrator_of(model, backend, name, timeout),
        language=_unchecked(language),
        form=_unchecked(form),
        tone=tone,
    )
    if as_json:
        show(explanations.table.drop("rank"), as_json=True)
        return
    (explanation,) = explanations
    say(explanation.sentence)
    if explanation.faults:
        fate = "replaced" if explanation.replaced else "written anew"
        say(f"(the LLM's sentence was {fate}: {'; '.join(explanation.faults)})", error=True)
    if explanation.evidence.cited:
        show(explanations["evidence"].explode().struct.unnest(), as_json=False)


def _unchecked(word: str) -> Any:
    """Return a word as it is: ``explain`` checks it against the languages and forms there are."""
    return word


def histories_of(model: Recommender, user: str | None, history: str | None) -> Histories:
    """Return the history to recommend for. Raises DataError for an unknown user or where no item is known."""
    from llmrec.data import Histories

    if (user is None) == (history is None):
        raise DataError("say whose history: either --user ID or --history ID,ID,...")
    if user is not None:
        return model.histories.of_user(user)
    ids = _item_ids(history or "", model.catalog)
    unknown = [item for item in ids if model.catalog.codes([item])[0] < 0]
    if ids and len(unknown) == len(ids):
        raise DataError(
            f"none of these items is in the catalog: {', '.join(ids[:5])}; see items.parquet of the run"
        )
    if unknown:
        say(f"not in the catalog, passed over: {', '.join(unknown)}", error=True)
    return Histories.of({"you": [item for item in ids if item not in unknown]})


def _item_ids(text: str, catalog: Catalog) -> list[str]:
    """Part a list of item ids at its commas, but for those inside an id of the catalog: "Bug's Life, A (1998)"."""
    parts, ids = text.split(","), []
    most = 1 + max((item.count(",") for item in catalog.ids), default=0)
    while parts:
        sizes = range(min(most, len(parts)), 1, -1)
        joined = {size: ",".join(parts[:size]).strip() for size in sizes}
        size = next((size for size, item in joined.items() if catalog.codes([item])[0] >= 0), 1)
        ids.append(joined.get(size, parts[0].strip()))
        parts = parts[size:]
    return [item for item in ids if item]


def _titled(catalog: Catalog, table: pl.DataFrame) -> pl.DataFrame:
    return table.join(catalog.table.select("item_id", "title"), on="item_id", how="left", maintain_order="left")
