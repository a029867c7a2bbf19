"""The skeletons of reasons, from the data files ``prompts/reasons``: openings, endings, and what joins them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from llmrec.errors import PromptError
from llmrec.prompting import Language
from llmrec.reasons.fact import Fact
from llmrec.resources.bounded import UnreadableError, read_yaml
from llmrec.resources.shipped import folder

# Beyond this rank nobody reads on: the number itself says nothing.
FAR, VERY_FAR = 100, 1000
# "12 of 215 people" sounds like nothing, though it is fifty times as often as usual; "6 of the 6" like a mistake.
_FEW = 0.15
# From this share on it is "most of your choices", below it "about half".
_MOST = 0.6
# Of these columns a fact says "filed under"; any other is named.
_FILED_UNDER = frozenset(("genres", "category"))


def is_far(fact: Fact) -> bool:
    """Whether a fact is a rank beyond which nobody reads on."""
    return fact.kind in ("rank", "rank_two") and fact.of > FAR


class Ending(BaseModel):
    """How a fact ends a reason: ``plain`` of the items that the opening names, ``named`` of another, ``{c}``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plain: tuple[str, ...]
    named: tuple[str, ...]


class Phrases(BaseModel):
    """One language's skeletons. ``openings`` by what they claim, ``endings`` and ``themes`` by kind and column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Language
    quotes: tuple[str, str]
    lists: tuple[str, str]
    end: str
    joints: tuple[str, ...]
    explaining: tuple[str, ...]
    once: tuple[str, ...]
    hard: tuple[str, ...]
    pronoun: str
    soft_starts: tuple[str, ...]
    both: Mapping[int, str]
    two: Mapping[int, str]
    decade: str
    far: tuple[str, str]
    part: str
    whole: str
    numbers: tuple[str, ...]
    often: Mapping[str | float, str]
    columns: Mapping[str, str]
    openings: Mapping[str, tuple[str, ...]]
    endings: Mapping[str, Ending]
    themes: Mapping[str, str]

    @classmethod
    @lru_cache(maxsize=8)
    def load(cls, source: str) -> Phrases:
        """Read those of a language, or a file by its path. Raises PromptError naming the file and the field."""
        path = Path(source) if source.endswith(".yaml") else folder("prompts") / "reasons" / f"{source}.yaml"
        try:
            return cls.model_validate(read_yaml(path))
        except UnreadableError as error:
            raise PromptError(f"{path} is not YAML: {error}") from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise PromptError(f"{path}: {field}: {first['msg']}") from error

    def quoted(self, name: str) -> str:
        """Write a name in the quotes of the language."""
        return f"{self.quotes[0]}{name}{self.quotes[1]}"

    def listed(self, parts: Sequence[str]) -> str:
        """Join parts as the language lists them."""
        separator, last = self.lists
        return last.join([separator.join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)

    def has_pronoun(self, text: str) -> bool:
        """Whether an ending speaks of the suggested item by a pronoun."""
        return re.search(self.pronoun, text) is not None

    def column(self, name: str) -> str:
        """Return the column that skeletons know a column as."""
        return self.columns.get(name.lower(), name)

    def key_of(self, fact: Fact) -> str:
        """Return under which name endings and themes of a fact stand."""
        column = self.column(fact.name)
        if is_far(fact):
            return f"{fact.kind}_far"
        if fact.kind in ("together", "either") and not _FEW * fact.of <= fact.count < fact.of:
            return f"{fact.kind}_often"
        if fact.kind == "only":
            return f"{fact.name or 'only'}{'_two' if fact.count > 1 else ''}"
        if fact.kind == "price":
            alike = "_alike" if fact.values[1] == fact.values[2] else ""
            return f"price{alike}{'_most' if fact.count >= _MOST * fact.of else ''}"
        if fact.kind in ("same", "kin"):
            return f"{fact.kind}.{column}" if f"{fact.kind}.{column}" in self.endings else fact.kind
        if fact.kind not in ("taste", "streak", "lately") or column in _FILED_UNDER:
            return fact.kind
        key = f"{fact.kind}.{column}"
        return key if key in self.endings else f"{fact.kind}.other"

    def _spoken(self, name: str, value: str) -> str:
        """Write a value as the language does: "1990s" is a decade in any column."""
        is_decade = name == "decade" or (len(value) == 5 and value.endswith("0s") and value[:4].isdigit())
        return self.decade.format(n=value[:4]) if is_decade else value

    def often_of(self, times: float) -> str:
        """Say how many times as often, rounded."""
        step: float | str = 1.5 if times < 1.75 else 2 if times < 2.5 else "more"
        n = round(times)
        return self.often[step].format(n=self.numbers[n] if n < len(self.numbers) else f"{n:,}")

    def values_of(self, fact: Fact, n_items: int) -> dict[str, str]:
        """Return what the skeletons of a fact are filled with, but for names; ``n_items`` are spoken of."""
        values = tuple(self._spoken(fact.name, value) for value in fact.values) or ("",)
        return {
            "name": fact.name.replace("_", " "),
            "value": values[0],
            "value2": values[-1],
            "low": values[min(1, len(values) - 1)],
            "values": self.listed(values),
            "count": f"{fact.count:,}",
            "of": f"{fact.of:,}",
            "far": self.far[fact.of > VERY_FAR],
            "part": (self.part if fact.count < fact.of else self.whole).format(n=f"{fact.count:,}"),
            "often": self.often_of(fact.times),
            "both": self.both[min(n_items, 3)],
            "two": self.two[min(n_items, 3)],
        }
