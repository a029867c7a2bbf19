"""Fields that recipes had once: where one does nothing it is read over, where it does something it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from llmrec.errors import RecipeError


class Retired(NamedTuple):
    """A field that is gone, by its section and name; the value by which it did nothing; and why it is gone."""

    section: str
    name: str
    idle: object
    why: str


RETIRED = (Retired("head", "warm_start", None, "residuals that began at another run's vectors ended no better"),)


def without_retired(values: dict[str, Any], *, source: str) -> dict[str, Any]:
    """Return a recipe's values without retired fields that do nothing, as runs of before hold them.

    Raises RecipeError for one that does something: read over, another model would be trained without a word.
    """
    if not isinstance(values, dict):  # no recipe, or one already: not for this to judge
        return values
    left = dict(values)
    for section, name, idle, why in RETIRED:
        fields = left.get(section)
        if not isinstance(fields, Mapping) or name not in fields:
            continue
        if fields[name] != idle:
            raise RecipeError(
                f"{source}: {section}.{name} was taken out of recipes, as {why}; leave it out "
                f"(got {fields[name]!r:.100})"
            )
        left[section] = {key: value for key, value in fields.items() if key != name}
    return left
