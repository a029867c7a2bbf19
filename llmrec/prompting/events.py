"""Write what is known of each event as a few words, to stand before the item's line."""

from __future__ import annotations

import itertools

import polars as pl

from llmrec.data import Catalog, Histories
from llmrec.data.columns import ITEM
from llmrec.data.forms import Form, in_form
from llmrec.prompting.lines import item_texts, one_line, plain_row
from llmrec.prompting.prompt import Prompt


def event_words(fields: pl.DataFrame, prompt: Prompt) -> list[str]:
    """Render each row of ``forms.in_form`` through the prompt's user part; "" where nothing is known.

    The prompt gets one variable, ``event``: the row without the item and without empty values. Rows that say
    the same are rendered once.
    """
    known = fields.drop(ITEM)
    if not known.width:
        return [""] * fields.height
    distinct = known.unique(maintain_order=True)
    words = [one_line(prompt.render("user", event=plain_row(row))) for row in distinct.iter_rows(named=True)]
    told = distinct.with_columns(words=pl.Series(words, dtype=pl.String))
    joined = known.join(told, on=known.columns, how="left", nulls_equal=True, maintain_order="left")
    return joined["words"].to_list()


def history_texts(
    histories: Histories,
    catalog: Catalog,
    form: Form,
    *,
    item: Prompt,
    event: Prompt,
    order_only: bool = False,
    session_gap: int | None = None,
) -> list[list[str]]:
    """Write every history as lines, oldest first: the event's words, then the item's line.

    Items that are not in the catalog are left out. Raises DataError where the data lacks what the form needs.
    """
    fields = in_form(histories, form, order_only=order_only, session_gap=session_gap)
    words = event_words(fields, event)
    lines = item_texts(catalog, item)
    codes = catalog.codes(fields[ITEM])
    written = [
        f"{said} {lines[code]}" if said and code >= 0 else lines[code] if code >= 0 else None
        for said, code in zip(words, codes.tolist(), strict=True)
    ]
    starts = histories.offsets.tolist()
    return [[line for line in written[start:end] if line is not None] for start, end in itertools.pairwise(starts)]
