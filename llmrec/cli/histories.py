"""Whose history is read: a user of the run, or items that are listed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from llmrec.cli.output import say
from llmrec.errors import DataError

if TYPE_CHECKING:
    from llmrec.data import Catalog, Histories
    from llmrec.models import Recommender

User = Annotated[str | None, typer.Option("--user", help="A user of the training log.")]
History = Annotated[str | None, typer.Option("--history", help="Item ids, oldest first: ID,ID,...")]


def check_one_history(user: str | None, history: str | None) -> None:
    """Raise DataError where not one of the two is given."""
    if (user is None) == (history is None):
        raise DataError("say whose history: either --user ID or --history ID,ID,...")


def histories_of(model: Recommender, user: str | None, history: str | None) -> Histories:
    """Return the history to recommend for. Raises DataError for an unknown user or where no item is known."""
    from llmrec.data import Histories

    check_one_history(user, history)
    if user is not None:
        return model.histories.of_user(user)
    ids = _item_ids(history or "", model.catalog)
    unknown = [item for item in ids if model.catalog.codes([item])[0] < 0]
    if ids and len(unknown) == len(ids):
        raise DataError(
            f"none of these items is in the catalog: {', '.join(ids[:5])}; find ids by `llmrec items RUN WORDS`"
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
