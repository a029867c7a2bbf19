"""``llmrec items``: the ids of items by words of their titles."""

from __future__ import annotations

from typing import Annotated

import typer

from llmrec.cli.arguments import Count, Run
from llmrec.cli.output import Json, say, show

Query = Annotated[list[str], typer.Argument(metavar="QUERY...", help="Words of the title, in part, or an id.")]


def items(run: Run, query: Query, k: Count = 10, as_json: Json = False) -> None:
    """Find the ids of items by words of their titles; case and accents do not matter."""
    from llmrec import artifact
    from llmrec.models.run_changes import current_items
    from llmrec.models.runs import require_finished
    from llmrec.serve.titles import TitleSearch

    require_finished(run)
    artifact.read(run, verify=False)
    with artifact.reading(run):
        catalog = current_items(run)
    words = " ".join(query)
    rows = TitleSearch(catalog).search(words, k)
    if rows.is_empty():
        say(f"none of {len(catalog):,} titles holds {words!r}", error=True)
    show(rows, as_json=as_json)
