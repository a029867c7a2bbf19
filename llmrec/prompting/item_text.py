"""Write catalog items as texts of one line each, whatever their titles contain."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jinja2 import UndefinedError

from llmrec.arrays import Int64s
from llmrec.data import Catalog
from llmrec.data.catalog_changes import CatalogChange
from llmrec.data.columns import ITEM
from llmrec.errors import PromptError
from llmrec.printable import CONTROL, DIRECTION, SURROGATE
from llmrec.prompting.prompt import Prompt

HINT = (
    "; an item has only what its row of the catalog says: write {{ item.get(NAME, '') }} for what some have, "
    "or ask for it by {% if %}"
)


def item_texts(catalog: Catalog, prompt: Prompt) -> list[str]:
    r"""Render every item through the prompt's user part. Each text ends with its only "\n".

    The prompt gets one variable, ``item``: the catalog row without empty values. Markup in a title stays
    text here; tokenize with ``split_special_tokens=True`` so that it stays text there too. Raises PromptError
    where the prompt asks for what an item has not.

    >>> from llmrec.data import toy_films
    >>> item_texts(toy_films().catalog, Prompt.load("item"))[0]
    'Film 00: Silent Harbor\n'
    """
    return [_item_text(row, prompt) for row in catalog.table.iter_rows(named=True)]


def _item_text(row: Mapping[str, object], prompt: Prompt) -> str:
    try:
        return one_line(prompt.render("user", item=plain_row(row))) + "\n"
    except PromptError as error:
        lacking = isinstance(error.__cause__, UndefinedError)
        raise PromptError(f"{error}, in item {row[ITEM]!r}{HINT if lacking else ''}") from error


def changed_texts(change: CatalogChange, prompt: Prompt) -> tuple[Int64s, list[str]]:
    """Return the items of a change whose text is new or another one: codes, ascending, and texts, both [n]."""
    rows = np.concatenate([change.updated, np.arange(len(change.before), len(change.catalog))])
    texts = item_texts(Catalog(change.catalog.table[rows]), prompt)
    earlier = item_texts(Catalog(change.before.table[change.updated]), prompt)
    other = [n for n, text in enumerate(texts) if n >= len(earlier) or text != earlier[n]]
    return rows[other], [texts[n] for n in other]


def one_line(text: str) -> str:
    """Turn runs of white space and control characters into single spaces; drop direction marks.

    Half characters (lone surrogates), which no file can hold, become U+FFFD.

    >>> one_line(" Alien   (1979) ")
    'Alien (1979)'
    """
    return SURROGATE.sub("\ufffd", " ".join(CONTROL.sub(" ", DIRECTION.sub("", text)).split()))


def plain_row(row: Mapping[str, object]) -> dict[str, object]:
    """Return a catalog row with each text on one line, without its empty values.

    >>> plain_row({"title": "Alien ", "year": 1979, "brand": ""})
    {'title': 'Alien', 'year': 1979}
    """
    plain = {name: _plain(value) for name, value in row.items()}
    return {name: value for name, value in plain.items() if value not in (None, "", [])}


def _plain(value: object) -> object:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, list | tuple):
        parts = [_plain(part) for part in value]
        return [part for part in parts if part not in (None, "")]
    return value
