"""A claim that a reason may make, as data: its kind, what it is about, and the numbers that it states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FactKind = Literal[
    "same",
    "kin",
    "mix",
    "era",
    "words",
    "sequel",
    "prequel",
    "link",
    "together",
    "either",
    "next",
    "rank",
    "rank_two",
    "only",
    "latest",
    "taste",
    "streak",
    "lately",
    "popular",
    "price",
    "rhythm",
]


@dataclass(frozen=True)
class Fact:
    """One true thing about the recommended item. ``bits``: how much it tells, -log2 of what is usual.

    | kind | says | fields |
    |---|---|---|
    | same | it and those cited have ``values[0]`` in the column ``name`` | bits over the catalog |
    | kin | the same, where the column's values are ids of a graph that nobody says | bits over the catalog |
    | mix | the same of several values of one column at once | bits of all of them together |
    | era | the same of a genre and a decade | bits of both together |
    | words | their titles have these words in common | bits over the catalog's titles |
    | sequel, prequel | the item comes right after, or right before, the cited one: titles' numbers or a triple | |
    | link | a triple beside the catalog | ``values``: titles of head and tail, ``name``: relation |
    | together | ``count`` of ``of`` people who chose the cited item chose it, ``times`` as many as of all | |
    | either | the same of people who chose at least one of the cited items | |
    | next | ``count`` people chose it directly after the cited item, ``times`` as often as after any | |
    | rank | it stands at ``count``, without the cited item at ``of``: by deletion | |
    | rank_two | the same without two cited items | |
    | only | of ``of`` choices none other has an effect, or (``name``: hardly) a tenth of the cited one's | |
    | latest | the cited item is the newest choice of the history | |
    | taste | ``count`` of ``of`` choices of the history have the value, ``times`` the catalog's share | |
    | streak | ``count`` of the last ``of`` choices have the value | |
    | lately | ``count`` of the ``of`` choices in the last 30 days of the history have the value | |
    | popular | ``count`` of ``of`` people chose it | |
    | price | ``values``: it costs the first; ``count`` of ``of`` choices from the second to the third | |
    | rhythm | the person chose it on ``count`` days, ``of`` days lie between two of them (median) | |

    >>> Fact("same", ("3",), "genres", ("Sci-Fi",), bits=2.5).is_plain
    True
    """

    kind: FactKind
    item_ids: tuple[str, ...] = ()
    name: str = ""
    values: tuple[str, ...] = ()
    count: int = 0
    of: int = 0
    times: float = 0.0
    bits: float = 0.0

    @property
    def is_plain(self) -> bool:
        """Whether it is no more than a genre that tells less than 4 bits, or what half of the catalog shares."""
        if self.kind == "kin":
            return self.bits < 4
        if self.kind != "same":
            return self.kind == "latest"
        return self.bits < 1 or (self.name == "genres" and self.bits < 4)
