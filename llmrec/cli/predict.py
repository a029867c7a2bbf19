"""``llmrec predict``: how a user would respond to an item."""

from __future__ import annotations

from typing import Annotated

import typer

from llmrec.cli.arguments import BasePath, Run
from llmrec.cli.histories import History, User, check_one_history, histories_of
from llmrec.cli.output import LONGEST_TITLE, Json, say, show
from llmrec.errors import DataError
from llmrec.printable import printable


def predict(
    run: Run,
    item: Annotated[list[str], typer.Option("--item", help="An item id; may be given several times.")],
    user: User = None,
    history: History = None,
    base: BasePath = None,
    as_json: Json = False,
) -> None:
    """Predict how a user responds to an item: probabilities of behaviors and of a purchase, expected rating.

    The tasks in the run's recipe are predicted. With --json one object an item, with a field for each column.
    """
    check_one_history(user, history)

    import polars as pl

    from llmrec.models.responses.recommender import RespondingRecommender
    from llmrec.models.runs import load_run

    model = load_run(run, base=base)
    if not isinstance(model, RespondingRecommender):
        raise DataError(f"a {model.kind} model predicts no responses; train llm or gru-events with tasks")
    table = model.predict_response(histories_of(model, user, history), item).drop("user_id")
    if as_json:
        show(table, as_json=True)
        return
    for row in table.iter_rows(named=True):
        title = model.catalog.titles[model.catalog.code(row["item_id"])]
        say(f"{row['item_id']}: {printable(title, longest=LONGEST_TITLE)}")
        rest = {name: value for name, value in row.items() if name != "item_id"}
        show(pl.DataFrame({"prediction": list(rest), "value": list(rest.values())}), as_json=False)
