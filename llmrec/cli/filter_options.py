"""Options of the command line that say which items may be recommended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmrec.errors import DataError

if TYPE_CHECKING:
    from llmrec.retrieval import Filter
    from llmrec.retrieval.calibration import Diversity

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--filter", metavar="CONDITION", help='Only items where this holds: "price < 50 and brand = acme".'
    ),
]
Allow = Annotated[Path | None, typer.Option("--allow", metavar="FILE", help="Only these items: one id a line.")]
Deny = Annotated[Path | None, typer.Option("--deny", metavar="FILE", help="None of these items: one id a line.")]
AtMost = Annotated[
    list[str] | None,
    typer.Option("--at-most", metavar="N per COLUMN", help='So many of one value of a column: "3 per brand".'),
]
Boost = Annotated[
    list[str] | None,
    typer.Option("--boost", metavar="N where CONDITION", help='Add to scores: "0.7 where in_stock".'),
]
DiversityWeight = Annotated[
    float | None,
    typer.Option("--diversity", help="Weight of unlikeness to the items above, from 0 to 1.", min=0, max=1),
]
Calibrate = Annotated[
    str | None,
    typer.Option(
        "--calibrate",
        metavar="COLUMN",
        help="With --diversity: its weight is of a list as mixed as the history, by this column (genres).",
    ),
]
ExcludeSeen = Annotated[
    bool | None,
    typer.Option(
        "--exclude-seen/--include-seen",
        help="Whether items of the history are left out; by default as the training data suggests.",
    ),
]
# By the names of filter_of's arguments, and those of Ranker.recommend besides.
FILTERS: dict[str, Any] = {"where": Where, "allow": Allow, "deny": Deny, "at_most": AtMost, "boost": Boost}
LISTS: dict[str, Any] = {
    "exclude_seen": ExcludeSeen,
    **FILTERS,
    "diversity": DiversityWeight,
    "calibrate": Calibrate,
}

_AT_MOST = re.compile(r"\s*(\d{1,9})\s+per\s+(\S.*?)\s*")
_BOOST = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)\s+where\s+(\S.*?)\s*")


def lists_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options of ``LISTS`` say, as ``Ranker.recommend`` takes it. Raises DataError."""
    diversity = diversity_of(options.get("diversity"), options.get("calibrate"))
    others = {"exclude_seen": options.get("exclude_seen"), "diversity": diversity}
    others = {name: value for name, value in others.items() if value is not None}
    chosen = filter_of(**{name: options.get(name) for name in FILTERS})
    return others if chosen is None else others | {"filter": chosen}


def diversity_of(weight: float | None, column: str | None) -> Diversity | None:
    """Return what ``--diversity`` and ``--calibrate`` say. Raises DataError for a column without a weight."""
    if column is None:
        return weight
    if not weight:
        raise DataError(
            f"--calibrate {column} is the column of a mixed list: say how much with --diversity, such as 0.3"
        )
    from llmrec.retrieval import Calibration

    return Calibration(column, weight)


def filter_of(
    where: list[str] | None = None,
    allow: Path | None = None,
    deny: Path | None = None,
    at_most: list[str] | None = None,
    boost: list[str] | None = None,
) -> Filter | None:
    """Return the filter that the options say, None for no options. Raises DataError for what cannot be read."""
    if not (where or allow or deny or at_most or boost):
        return None
    from llmrec.retrieval import Filter

    caps = [_parts(_AT_MOST, text, "--at-most", "3 per brand") for text in at_most or ()]
    boosts = [_parts(_BOOST, text, "--boost", "0.7 where in_stock") for text in boost or ()]
    _require_one_each(caps, "--at-most")
    _require_one_each(boosts, "--boost")
    return Filter(
        where or (),
        allow=None if allow is None else _ids(allow, "--allow"),
        deny=() if deny is None else _ids(deny, "--deny"),
        at_most={column: int(most) for most, column in caps},
        boosts={condition: float(gain) for gain, condition in boosts},
    )


def _parts(pattern: re.Pattern[str], text: str, option: str, example: str) -> tuple[str, str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise DataError(f'{option} {text!r} cannot be read; write for example {option} "{example}"')
    return match[1], match[2]


def _require_one_each(parts: list[tuple[str, str]], option: str) -> None:
    """Raise DataError for two numbers of one column or condition."""
    names = [name for _, name in parts]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{option} says {name} {names.count(name)} times; say it once")


def _ids(path: Path, option: str) -> list[str]:
    from llmrec.resources.bounded import UnreadableError, read_text

    try:
        text = read_text(path)
    except (OSError, UnreadableError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{option} {path} cannot be read: {reason}; write one item id a line") from error
    return [line for line in map(str.strip, text.splitlines()) if line]
