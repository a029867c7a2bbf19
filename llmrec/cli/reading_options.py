"""Options of ``data prepare`` that say how files are written."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from llmrec.errors import DataError

_PANEL = "How files are written"


def _option(help: str, *, metavar: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(help=help, metavar=metavar, rich_help_panel=_PANEL)
    return option


# By the names of readers.options.FileOptions.
READING = {
    "header": Annotated[
        str | None, _option("Names of the columns of a CSV log that has no header.", metavar="NAME,NAME,...")
    ],
    "items_header": Annotated[
        str | None, _option("Names of the columns of a CSV catalog without a header.", metavar="NAME,NAME,...")
    ],
    "encoding": Annotated[
        str | None, _option("The encoding of text that is not UTF-8: cp1252, latin-1, utf-16.", metavar="NAME")
    ],
    "delimiter": Annotated[
        str | None, _option("What stands between cells, where not recognised.", metavar="CHARS")
    ],
    "quotes": Annotated[
        str | None, _option("Whether quotes enclose cells or are plain characters.", metavar="cells|plain")
    ],
    "decimal": Annotated[
        str | None, _option("The mark before fractions; the other one divides thousands.", metavar=".|,")
    ],
    "explode": Annotated[
        str | None, _option("A column of lists: each item becomes an event; none leaves them.", metavar="COLUMN")
    ],
    "files": Annotated[
        str | None,
        _option(
            "Whether a folder's files whose ids meet are one log, or separate ones with ids such as amazon:7.",
            metavar="one|separate",
        ),
    ],
}


def reading_options(options: dict[str, Any]) -> dict[str, Any]:
    """Return those of the given options that are for readers, their lists split."""
    return {
        name: _listed(name, value) if name.endswith("header") else value
        for name, value in options.items()
        if name in READING
    }


def _listed(name: str, header: str) -> list[str]:
    names = header.split(",")
    if any(not column.strip() for column in names):
        option = f"--{name.replace('_', '-')}"
        raise DataError(
            f"{option} {header}: a name is empty; write for example {option} user_id,item_id,timestamp"
        )
    return names
