"""What readers are told about files instead of recognising it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from llmrec.data.readers.log_parts import FilesOption
from llmrec.data.readers.quotes import QuoteOption


class FileOptions(TypedDict, total=False):
    """How files are written, where that is not recognised.

    ``header``: names of the columns of an event file without a header, ``items_header``: of an item file.
    ``encoding``: of text that is not UTF-8, such as cp1252. ``delimiter``: between cells. ``quotes``: whether they
    enclose ``cells`` or are ``plain`` characters. ``decimal``: the mark before fractions, "." or ",".
    ``explode``: the column of lists to make events of, see ``item_lists.explode_items``. ``files``: whether those
    of a folder are ``one`` log or ``separate`` ones, see ``log_parts.stacked``.
    """

    header: Sequence[str]
    items_header: Sequence[str]
    encoding: str
    delimiter: str
    quotes: QuoteOption
    decimal: str
    explode: str
    files: FilesOption
