"""What a reason may rest on, as data: items, contributions, facts. Nothing here is text to be shown."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from llmrec.data import Catalog
from llmrec.data.cleaning.missing_words import MISSING_WORDS
from llmrec.data.columns import ITEM, TITLE
from llmrec.prompting import plain_row
from llmrec.reasons.fact import Fact

Weight = Literal["most", "strong", "also", "little", "none"]

# As genre, brand or year, in brackets or not, these say that nobody knows: two items do not have them in common.
_SAYS_NOTHING = frozenset(
    {
        *MISSING_WORDS,
        *("no genres listed", "no genre", "no category", "uncategorized", "unknown", "unspecified"),
        *("not specified", "not available", "not applicable", "-", "--", "?", "未知", "无", "暂无"),
    }
)
_LONGEST_VALUE = 2000


@dataclass(frozen=True)
class Item:
    """A catalog item as evidence shows it. ``metadata``: its other columns, without those that say nothing.

    >>> Item("7", "Alien", {"genres": "Horror|Sci-Fi", "year": 1979}).genres
    ('Horror', 'Sci-Fi')
    """

    item_id: str
    title: str
    metadata: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def of(cls, catalog: Catalog, code: int) -> Item:
        """Read a row of the catalog. Texts of many lines are left out: nobody has them in common."""
        row = catalog.table.row(code, named=True)
        long = {name for name, value in row.items() if isinstance(value, str) and len(value) > _LONGEST_VALUE}
        row = plain_row({name: value for name, value in row.items() if name in (ITEM, TITLE) or name not in long})
        return cls(str(row.pop(ITEM)), str(row.pop(TITLE, "")), row)

    def __post_init__(self) -> None:
        said = {name: _said(value) for name, value in self.metadata.items()}
        object.__setattr__(self, "metadata", {name: value for name, value in said.items() if value is not None})

    @property
    def genres(self) -> tuple[str, ...]:
        """The item's genres, from a list or a text separated by ``|``, ``,``, ``;`` or ``/``."""
        value = self.metadata.get("genres", ())
        if isinstance(value, str):
            named = (part for part in re.split("[|,;]", value) if not _says_nothing(part))  # "N/A" in one piece
            value = [part for name in named for part in name.split("/")]
        parts = value if isinstance(value, list | tuple) else ()
        return tuple(str(part).strip() for part in parts if not _says_nothing(part))

    @property
    def year(self) -> str:
        """The item's year as written, or an empty text."""
        return str(self.metadata.get("year", ""))


@dataclass(frozen=True)
class Cited(Item):
    """A history item and its ``contribution``: how far the recommended item's score falls without it.

    ``rank_without``: where the recommended item would stand then, among all that can be recommended; 0: unknown,
    or nowhere.

    >>> Cited("3", "Blade Runner", contribution=0.7).contribution
    0.7
    """

    contribution: float = 0.0
    rank_without: int = 0


@dataclass(frozen=True)
class Pair:
    """Two cited items. ``interaction``: the fall without both, less the falls without each of them.

    Below zero, either could stand in for the other; above, they count for more together. ``rank_without``: where
    the recommended item would stand without both; 0: unknown.

    >>> Pair(("3", "4"), -0.2).interaction
    -0.2
    """

    item_ids: tuple[str, str]
    interaction: float
    rank_without: int = 0


@dataclass(frozen=True)
class Shared:
    """An attribute that the recommended item has in common with the cited items ``item_ids``.

    >>> Shared("genres", "Sci-Fi", ("3",)).value
    'Sci-Fi'
    """

    name: str
    value: str
    item_ids: tuple[str, ...]


@dataclass(frozen=True)
class Together:
    """Of ``chose`` people who chose the cited item, ``both`` also chose the recommended one.

    >>> Together("3", both=6, chose=9).both
    6
    """

    item_id: str
    both: int
    chose: int


@dataclass(frozen=True)
class Evidence:
    """Why one item was recommended to one user. ``cited`` is empty where no history item helped.

    With a ``rival`` contributions are to the recommended item's lead over it, not to its score. ``rank``: where
    the item stands among all that can be recommended, 0: unknown, or it cannot be. ``n_choices``: how many
    distinct choices there are, each left out once (0: unknown, or not all were), ``n_helping``: without how many
    the score falls.
    ``facts``: what a reason may claim besides.

    >>> one = Evidence("ann", Item("7", "Alien"), (Cited("3", "Blade Runner", contribution=0.7),))
    >>> one.weight(0)
    'most'
    """

    user_id: str
    item: Item
    cited: tuple[Cited, ...] = ()
    pairs: tuple[Pair, ...] = ()
    shared: tuple[Shared, ...] = ()
    together: tuple[Together, ...] = ()
    rival: Item | None = None
    rank: int = 0
    facts: tuple[Fact, ...] = ()
    n_choices: int = 0
    n_helping: int = 0

    @property
    def chosen_earlier(self) -> bool:
        """Whether the recommended item itself, chosen earlier, is among what is cited."""
        return any(other.item_id == self.item.item_id for other in self.cited)

    def weight(self, index: int) -> Weight:
        """How much cited item ``index`` weighs beside the strongest: most, strong, also or little, or nothing.

        The strongest weighs most where nothing else has half of its effect, else it is strong, as is what has two
        thirds; from a third on an item weighs also, from a tenth little, and below that nothing to speak of.
        """
        falls = [one.contribution for one in self.cited]
        share = falls[index] / falls[0] if falls[0] > 0 else 0.0
        if index == 0 and max(falls[1:], default=0.0) <= falls[0] / 2:
            return "most"
        steps: tuple[tuple[float, Weight], ...] = ((2 / 3, "strong"), (1 / 3, "also"), (0.1, "little"))
        return next((word for least, word in steps if share >= least), "none")


def _said(value: object) -> object:
    """Return a value, a list without the parts that say nothing; None where nothing is left."""
    if isinstance(value, list | tuple):
        return [part for part in value if not _says_nothing(part)] or None
    return None if _says_nothing(value) else value


def _says_nothing(value: object) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return value is None or str(value).strip(" ()[]<>").lower() in _SAYS_NOTHING
