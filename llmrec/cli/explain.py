"""``llmrec explain``: why an item fits a user."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from llmrec.cli.arguments import BasePath, Run
from llmrec.cli.histories import History, User, check_one_history, histories_of
from llmrec.cli.narrators import Backend, FormName, LanguageName, Model, Timeout, Tone, check_backend, narrator_of
from llmrec.cli.output import Json, say, show


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
    check_one_history(user, history)
    check_backend(backend, name)

    import polars as pl

    from llmrec.models.runs import load_run
    from llmrec.reasons import explain as reason

    model = load_run(run, base=base).for_scores()
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
    """Return a word as it is: the options have checked it."""
    return word
