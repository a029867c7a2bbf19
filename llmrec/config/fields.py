"""The fields of recipes in words: what each means, its default, and which one a misspelt name is close to."""

from __future__ import annotations

import difflib
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic.fields import FieldInfo

from llmrec.config.sections import Section


class RecipeField(NamedTuple):
    """A field by its path ("train.epochs"), its value in a recipe, the default, and what it means.

    >>> from llmrec.config import Recipe
    >>> next(one.path for one in fields_of(Recipe.load("gru")) if one.value != one.default)
    'name'
    """

    path: str
    value: Any
    default: Any
    meaning: str


def fields_of(recipe: Section) -> list[RecipeField]:
    """List what a recipe sets, in the order of its sections; a completed one sets all that its model reads.

    >>> from llmrec.config import Recipe
    >>> [(field.path, field.value) for field in fields_of(Recipe.load("markov-3"))][-1]
    ('counting.order', 3)
    """
    fields = []
    for name, info in type(recipe).model_fields.items():
        value = getattr(recipe, name)
        if name not in recipe.model_fields_set:
            continue
        if isinstance(value, Section):
            inner = type(value).model_fields.items()
            chosen = [(key, one) for key, one in inner if key in value.model_fields_set]
            fields += [_field(f"{name}.{key}", getattr(value, key), one) for key, one in chosen]
        else:
            fields.append(_field(name, value, info))
    return fields


def close_to(path: str, root: type[Section]) -> str | None:
    """Return the path of a recipe's field that is spelt most like ``path``, None where none is alike."""
    known = [name for name in root.model_fields if not _section_of(root, name)]
    for name in root.model_fields:
        if section := _section_of(root, name):
            known += [name, *(f"{name}.{key}" for key in section.model_fields)]
    alike = difflib.get_close_matches(path, known, n=1, cutoff=0.75)
    if not alike and "." not in path:
        alike = [one for one in known if one.endswith(f".{path}")]  # a field without its section
    return alike[0] if alike else None


def _field(path: str, value: Any, info: FieldInfo) -> RecipeField:
    meaning = " ".join((info.description or "").split())
    choices = _choices(info.annotation)
    if choices:
        meaning = f"{meaning} One of {', '.join(choices)}."
    return RecipeField(path, value, info.get_default(call_default_factory=True), meaning)


def _choices(annotation: Any) -> list[str]:
    """Name the values of a field that has few."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    literals = [one for one in get_args(annotation) if get_origin(one) is Literal]
    return [name for one in literals for name in _choices(one)]


def _section_of(root: type[Section], name: str) -> type[Section] | None:
    annotation = root.model_fields[name].annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, Section) else None
